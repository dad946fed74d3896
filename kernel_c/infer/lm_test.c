#include "kgpt/lm.h"

#include "arch.h"
#include "kgpt/math_inline.h"
#include "kgpt/mem.h"
#include "kgpt/test.h"
#include "test_gguf.h"
#include "vector.h"

#define N 14u

static const uint32_t tokens[N] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 23, 0};

struct fixture {
    struct kg_gguf gguf;
    struct kg_lm_model model;
    struct kg_ops base;
    struct kg_quant_ops ops;
    struct kg_lm_session session;
    struct kg_error error;
};

/* Three workers, the last one first. */
static void run_in_turn(kg_work *work, void *context)
{
    for (uint32_t i = 3; i-- > 0;) {
        work(context, i, 3);
    }
}

static const struct kg_workers alone = {NULL}, three = {run_in_turn};

static bool open_test_model(struct kg_test *t, struct fixture *f, const char *arch)
{
    return kg_test_gguf(t->arena, arch, &f->gguf) &&
           kg_lm_open(&f->model, &f->gguf, false, t->arena, &f->error) == KG_OK;
}

static void begin_session(struct kg_test *t, struct fixture *f, enum kg_isa isa, uint32_t n_batch, enum kg_kv_type kv,
                          const struct kg_workers *workers)
{
    const struct kg_lm_options options = {.n_ctx = KG_TEST_CTX, .n_batch = n_batch, .kv = kv};
    kg_ops_fill(&f->base, t->cpu->features, isa);
    kg_quant_fill(&f->ops, &f->base, t->cpu->features, isa);
    kg_lm_session_carve(&f->session, &f->model, &f->ops, workers, &options, t->arena);
    kg_lm_session_fill(&f->session);
}

static bool eval_tokens(struct fixture *f, const uint32_t *some, uint32_t n)
{
    return kg_lm_eval(&f->session, some, n, NULL, NULL, &f->error) == KG_OK;
}

static bool same_logits(const struct fixture *f, const float *logits)
{
    return memcmp(f->session.logits, logits, KG_TEST_VOCAB * sizeof *logits) == 0;
}

/* Powers in vectors of any width, several at once and the last ones alone, are those of single floats. */
KG_TEST(lm, activations_have_the_same_bits_by_every_table)
{
    enum { MANY = 16 * 37 + 3 };
    float x[MANY], silu[MANY], gelu[MANY], y[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        x[i] = ((float)i - MANY / 2) * 0.37f; /* beyond the range of e^x on both sides */
        float u = 0.797884561f * (x[i] + 0.044715f * x[i] * x[i] * x[i]);
        silu[i] = x[i] / (1.0f + kg_exp_inline(-x[i]));
        gelu[i] = x[i] / (1.0f + kg_exp_inline(-2.0f * u));
    }
    for (enum kg_isa isa = 0; isa < KG_N_ISA; isa++) {
        const struct kg_attention_ops *ops = kg_attention_choose(t->cpu->features, isa);
        memcpy(y, x, sizeof x);
        kg_lm_activate(ops, KG_ACTIVATION_SILU, y, MANY);
        KG_CHECK(t, memcmp(y, silu, sizeof y) == 0);
        memcpy(y, x, sizeof x);
        kg_lm_activate(ops, KG_ACTIVATION_GELU, y, MANY);
        KG_CHECK(t, memcmp(y, gelu, sizeof y) == 0);
    }
}

KG_TEST(lm, how_it_is_computed_does_not_show)
{
    static const char *const archs[] = {"llama", "gemma3"};
    for (uint32_t i = 0; i < 2; i++) {
        struct fixture f;
        KG_CHECK(t, open_test_model(t, &f, archs[i]));
        begin_session(t, &f, KG_ISA_C, 1, KG_KV_F16, &alone);
        KG_CHECK(t, eval_tokens(&f, tokens, N));
        const float *logits = f.session.logits;
        KG_CHECK(t, logits[0] != logits[1] && logits[0] - logits[0] == 0);
        for (uint32_t n_batch = 2; n_batch <= N; n_batch += 4) {
            begin_session(t, &f, KG_ISA_AVX512VNNI, n_batch, KG_KV_F16, n_batch == 2 ? &alone : &three);
            KG_CHECK(t, eval_tokens(&f, tokens, 5) && eval_tokens(&f, tokens + 5, N - 5));
            KG_CHECK(t, same_logits(&f, logits));
        }
    }
}

KG_TEST(lm, truncated_and_shifted)
{
    struct fixture f;
    KG_CHECK(t, open_test_model(t, &f, "llama"));
    begin_session(t, &f, KG_ISA_AVX2, 4, KG_KV_Q8, &three);
    KG_CHECK(t, eval_tokens(&f, tokens, N));
    float logits[KG_TEST_VOCAB];
    memcpy(logits, f.session.logits, sizeof logits);
    kg_lm_truncate(&f.session, 6);
    KG_CHECK(t, eval_tokens(&f, tokens, 3));
    kg_lm_truncate(&f.session, 6);
    KG_CHECK(t, eval_tokens(&f, tokens + 6, N - 6) && same_logits(&f, logits));
    kg_lm_shift(&f.session, 2, 5);
    KG_CHECK_EQ(t, f.session.n_past, N - 5);
    KG_CHECK(t, f.session.tokens[1] == tokens[1] && f.session.tokens[2] == tokens[7]);
    KG_CHECK(t, eval_tokens(&f, tokens, 1) && f.session.logits[0] - f.session.logits[0] == 0);
}

KG_TEST(lm, takes_what_it_counts)
{
    struct fixture f;
    KG_CHECK(t, open_test_model(t, &f, "gemma3"));
    const struct kg_lm_options options = {.n_ctx = 9, .n_batch = 3, .kv = KG_KV_Q8};
    struct kg_arena counted = kg_arena_counting();
    size_t before = t->arena->used;
    kg_lm_session_carve(&f.session, &f.model, &f.ops, &alone, &options, &counted);
    kg_lm_session_carve(&f.session, &f.model, &f.ops, &alone, &options, t->arena);
    KG_CHECK_EQ(t, t->arena->used - before, counted.used);
}

#define SEVERAL 3u

/* `n` tokens of the text from `first` on, as a piece whose last token leaves logits. */
static struct kg_lm_piece piece_of(struct kg_lm_session *session, uint32_t first, uint32_t n, struct kg_error *error)
{
    return (struct kg_lm_piece){.session = session, .tokens = tokens + first, .n = n, .n_logits = 1, .error = error};
}

/* Session i begins with token i: alone, its logits after tokens i .. i + n - 1. */
static bool logits_alone(struct kg_test *t, struct fixture *f, uint32_t first, uint32_t n, float *logits)
{
    begin_session(t, f, KG_ISA_C, 8, KG_KV_F16, &alone);
    bool computed = eval_tokens(f, tokens + first, n);
    memcpy(logits, f->session.logits, KG_TEST_VOCAB * sizeof *logits);
    return computed;
}

static void begin_several(struct kg_test *t, struct fixture *f, struct kg_lm_session sessions[SEVERAL], uint32_t n_ctx)
{
    const struct kg_lm_options options = {.n_ctx = n_ctx, .n_batch = 8, .kv = KG_KV_F16, .n_logits = SEVERAL};
    kg_lm_session_carve(&sessions[0], &f->model, &f->ops, &three, &options, t->arena);
    kg_lm_session_fill(&sessions[0]);
    for (uint32_t i = 1; i < SEVERAL; i++) {
        kg_lm_session_carve_beside(&sessions[i], &sessions[0], t->arena);
    }
}

KG_TEST(lm, several_sessions_in_one_pass)
{
    struct fixture f;
    struct kg_lm_session sessions[SEVERAL];
    float expected[SEVERAL][KG_TEST_VOCAB];
    KG_CHECK(t, open_test_model(t, &f, "gemma3"));
    for (uint32_t i = 0; i < SEVERAL; i++) {
        KG_CHECK(t, logits_alone(t, &f, i, 6, expected[i]));
    }
    begin_several(t, &f, sessions, KG_TEST_CTX);
    for (uint32_t step = 0; step < 4; step++) { /* 1, 2 and 3 tokens, in turn */
        struct kg_lm_piece pieces[SEVERAL];
        uint32_t n = 0;
        for (uint32_t i = 0; i < SEVERAL; i++) {
            uint32_t past = sessions[i].n_past, wanted = 1 + (i + step) % 3, more = 6 - past;
            if (more) {
                pieces[n++] = piece_of(&sessions[i], i + past, wanted < more ? wanted : more, &f.error);
            }
        }
        kg_lm_eval_pieces(pieces, n, NULL, NULL);
        for (uint32_t i = 0; i < n; i++) {
            KG_CHECK_EQ(t, pieces[i].status, KG_OK);
        }
    }
    for (uint32_t i = 0; i < SEVERAL; i++) {
        KG_CHECK_EQ(t, sessions[i].n_past, 6);
        KG_CHECK(t, memcmp(sessions[i].logits, expected[i], sizeof expected[i]) == 0);
    }
}

KG_TEST(lm, a_piece_that_fails_is_left_out)
{
    struct fixture f;
    struct kg_lm_session sessions[SEVERAL];
    struct kg_error errors[SEVERAL];
    const uint32_t wrong = KG_TEST_VOCAB;
    float expected[KG_TEST_VOCAB];
    KG_CHECK(t, open_test_model(t, &f, "llama"));
    KG_CHECK(t, logits_alone(t, &f, 0, 2, expected));
    begin_several(t, &f, sessions, 4);
    struct kg_lm_piece pieces[SEVERAL] = {
        {.session = &sessions[0], .tokens = &wrong, .n = 1, .n_logits = 1, .error = &errors[0]},
        piece_of(&sessions[1], 0, 2, &errors[1]),
        piece_of(&sessions[2], 0, 5, &errors[2]),
    };
    kg_lm_eval_pieces(pieces, SEVERAL, NULL, NULL);
    KG_CHECK_EQ(t, pieces[0].status, KG_E_INPUT);
    KG_CHECK_EQ(t, pieces[1].status, KG_OK);
    KG_CHECK_EQ(t, pieces[2].status, KG_E_CONTEXT);
    KG_CHECK_TEXT(t, errors[2].message, "no room for 5 tokens behind 0 of a context of 4");
    KG_CHECK(t, memcmp(pieces[1].logits, expected, sizeof expected) == 0);
    KG_CHECK(t, sessions[0].n_past == 0 && sessions[1].n_past == 2 && sessions[2].n_past == 0);
}

KG_TEST(lm, the_context_ends)
{
    struct fixture f;
    const uint32_t wrong = KG_TEST_VOCAB;
    KG_CHECK(t, open_test_model(t, &f, "llama"));
    begin_session(t, &f, KG_ISA_C, 8, KG_KV_F16, &alone);
    KG_CHECK(t, eval_tokens(&f, tokens, N) && eval_tokens(&f, tokens, N) && f.session.n_past == 2 * N);
    KG_CHECK_EQ(t, kg_lm_eval(&f.session, tokens, 5, NULL, NULL, &f.error), KG_E_CONTEXT);
    KG_CHECK_TEXT(t, f.error.message, "no room for 5 tokens behind 28 of a context of 32");
    KG_CHECK_EQ(t, kg_lm_eval(&f.session, &wrong, 1, NULL, NULL, &f.error), KG_E_INPUT);
    KG_CHECK_EQ(t, f.session.n_past, 2 * N);
}

/* Asked before each layer: of the model's two, the second one of the second batch is not computed. */
static bool fourth_time(void *context)
{
    return ++*(uint32_t *)context == 4;
}

KG_TEST(lm, stopped_within_a_batch)
{
    struct fixture f;
    KG_CHECK(t, open_test_model(t, &f, "llama"));
    begin_session(t, &f, KG_ISA_C, 4, KG_KV_F16, &alone);
    uint32_t asked = 0;
    KG_CHECK_EQ(t, kg_lm_eval(&f.session, tokens, N, fourth_time, &asked, &f.error), KG_E_STOPPED);
    KG_CHECK_EQ(t, f.session.n_past, 4);
    KG_CHECK_TEXT(t, f.error.message, "stopped after 4 of 14 tokens");
}

KG_TEST(lm, archs_have_their_names)
{
    for (uint32_t i = 0; kg_lm_arch_names[i]; i++) {
        const struct kg_lm_arch *arch = kg_lm_arch_find(kg_lm_arch_names[i], kg_strlen(kg_lm_arch_names[i]));
        KG_CHECK(t, arch != NULL);
        KG_CHECK_TEXT(t, arch->name, kg_lm_arch_names[i]);
    }
    KG_CHECK(t, !kg_lm_arch_find("llam", 4) && !kg_lm_arch_find("llama4", 6));
}

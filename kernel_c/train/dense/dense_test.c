/* The trainer on a running text against itself. Its gradients are tested against PyTorch in tests/hosted. */
#include "dense.h"
#include "kgpt/mem.h"
#include "kgpt/test.h"

#define TOKENS 300u

/* A training of a text in which a token follows from the one before; NULL after a check that failed. */
static struct kg_dense *make_dense(struct kg_test *t, uint32_t kind, enum kg_isa highest, double dropout)
{
    struct kg_error error;
    uint32_t *tokens = kg_arena_take(t->arena, TOKENS * sizeof *tokens);
    const struct kg_dense_settings settings = {
        .shape = {kind, .n_layer = 2, .n_head = 3, .n_embd = 18, .n_ctx = 10, .n_vocab = 13, .bias = 1, .tied = 1},
        .steps = 60,
        .warmup = 4,
        .batch = 5,
        .chunks = 3,
        .workers = 2,
        .lr = 0.01,
        .beta1 = 0.9,
        .beta2 = 0.99,
        .eps = 1e-8,
        .weight_decay = 0.1,
        .grad_clip = 1,
        .dropout = dropout,
        .seed = 7,
        .features = t->cpu->features,
        .highest = highest,
    };
    const struct kg_dense_text text = {.tokens = tokens, .n = TOKENS, .n_train = 250, .eval_windows = 100};
    for (uint32_t i = 0; tokens && i < TOKENS; i++) {
        tokens[i] = (i * 5 + i / 7) % 13;
    }
    if (!tokens || kg_dense_check(&settings, &text, &error) != KG_OK) {
        kg_test_fail(t, __LINE__, "the training cannot be set up");
        return NULL;
    }
    struct kg_dense *trainer = kg_dense_carve(&settings, &text, t->arena);
    kg_dense_draw(trainer);
    return trainer;
}

static void take_dense_steps(struct kg_dense *trainer, int n)
{
    for (int i = 0; i < n; i++) {
        kg_dense_step(trainer);
    }
}

static double evaluate_dense(struct kg_dense *trainer)
{
    uint32_t block;
    kg_dense_eval_begin(trainer);
    while (kg_dense_eval_take(trainer, &block)) {
        kg_dense_eval_block(trainer, block, block % 2);
    }
    return kg_dense_eval_end(trainer);
}

static bool same_dense_bits(const struct kg_dense *a, const struct kg_dense *b)
{
    size_t size = sizeof(float) * a->dims.n_floats;
    return memcmp(a->weights, b->weights, size) == 0 && memcmp(a->mean, b->mean, size) == 0 &&
           memcmp(a->square, b->square, size) == 0 && kg_dense_steps_done(a) == kg_dense_steps_done(b);
}

KG_TEST(train_dense, the_loss_falls)
{
    for (uint32_t kind = 0; kind <= KG_DENSE_LLAMA; kind++) {
        struct kg_dense *trainer = make_dense(t, kind, KG_ISA_C, 0);
        KG_CHECK(t, trainer);
        double before = evaluate_dense(trainer);
        take_dense_steps(trainer, 60);
        KG_CHECK(t, before > 2.3 && before < 2.9); /* ln 13 is 2.56 */
        KG_CHECK(t, evaluate_dense(trainer) < 0.8 * before);
    }
}

KG_TEST(train_dense, fused_arithmetics_give_the_same_bits)
{
    for (uint32_t kind = 0; kind <= KG_DENSE_LLAMA; kind++) {
        struct kg_dense *wide = make_dense(t, kind, KG_ISA_AVX2, 0.2);
        struct kg_dense *widest = make_dense(t, kind, KG_ISA_AVX512, 0.2);
        KG_CHECK(t, wide && widest);
        for (int i = 0; i < 8; i++) {
            double a = kg_dense_step(wide), b = kg_dense_step(widest);
            KG_CHECK(t, a == b);
        }
        KG_CHECK(t, same_dense_bits(wide, widest));
    }
}

/* One step with the chunks and the parts backwards, as several CPUs might come by. */
static void step_dense_backwards(struct kg_dense *trainer, uint32_t parts)
{
    void (*const phases[])(struct kg_dense *, uint32_t, uint32_t) = {kg_dense_sum, kg_dense_update, kg_dense_pack};
    kg_dense_begin(trainer);
    for (uint32_t c = kg_dense_chunks(trainer); c-- > 0;) {
        kg_dense_gradients(trainer, c, c % 2);
    }
    for (uint32_t i = 0; i < 3; i++) {
        for (uint32_t part = parts; part-- > 0;) {
            phases[i](trainer, part, parts);
        }
    }
    kg_dense_end(trainer);
}

KG_TEST(train_dense, who_does_what_does_not_show)
{
    struct kg_dense *one = make_dense(t, KG_DENSE_NANOGPT, KG_ISA_AVX512, 0.1);
    struct kg_dense *other = make_dense(t, KG_DENSE_NANOGPT, KG_ISA_AVX512, 0.1);
    KG_CHECK(t, one && other);
    for (uint32_t i = 0; i < 8; i++) {
        kg_dense_step(one);
        step_dense_backwards(other, 1 + i);
    }
    KG_CHECK(t, same_dense_bits(one, other));
}

KG_TEST(train_dense, a_break_does_not_show)
{
    struct kg_error error;
    struct kg_dense *whole = make_dense(t, KG_DENSE_LLAMA, KG_ISA_AVX512, 0.1);
    struct kg_dense *first = make_dense(t, KG_DENSE_LLAMA, KG_ISA_AVX512, 0.1);
    struct kg_dense *second = make_dense(t, KG_DENSE_LLAMA, KG_ISA_AVX512, 0.1);
    KG_CHECK(t, whole && first && second);
    uint64_t size = kg_dense_state_size(&first->dims.shape);
    void *state = kg_arena_take(t->arena, size);
    KG_CHECK(t, state);
    take_dense_steps(whole, 12);
    take_dense_steps(first, 5);
    kg_dense_save(first, state);
    take_dense_steps(second, 3); /* which is to be forgotten */
    KG_CHECK_EQ(t, kg_dense_load(second, state, size - 1, &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_dense_load(second, state, size, &error), KG_OK);
    take_dense_steps(second, 7);
    KG_CHECK(t, same_dense_bits(whole, second));
}

#include "kgpt/generate.h"

#include "kgpt/mem.h"
#include "kgpt/test.h"
#include "test_model.h"

static const struct kg_test_shape shape = {
    .n_vocab = 9, .n_ctx = 8, .n_embd = 16, .n_layer = 1, .n_head = 2, .n_head_kv = 2, .n_ff = 24};

#define MOST_DOCUMENTS 8

/* What an observer has seen. */
struct seen {
    uint32_t begun, logits, tokens, documents, stop_after; /* stop_after: tokens; 0 never */
    uint32_t last_id, last_pos;
    enum kg_reason reasons[MOST_DOCUMENTS];
    char texts[MOST_DOCUMENTS][64];
    uint32_t lengths[MOST_DOCUMENTS];
};

struct fixture {
    struct kg_model model;
    struct kg_ops ops;
    struct kg_session session;
    struct kg_generator generator;
    struct kg_sink sink;
    struct kg_totals totals;
    struct kg_error error;
    struct seen seen;
};

/* What is asked of the generator. */
struct task {
    const char *prompt;
    uint32_t samples, max_tokens;
    uint64_t seed;
    float temperature;
};

static const struct task plain = {.prompt = "", .samples = 8, .seed = 1, .temperature = 1.0f};

static void see_begin(void *context, const struct kg_reply *reply)
{
    struct seen *seen = context;
    seen->begun = reply->request->index + 1;
}

static void see_logits(void *context, const struct kg_reply *reply, uint32_t token)
{
    struct seen *seen = context;
    const struct kg_past *past = &reply->past;
    seen->logits += past->logits && reply->request->index < MOST_DOCUMENTS && past->n <= shape.n_ctx &&
                    past->n_vocab == shape.n_vocab && token < shape.n_vocab;
}

static void see_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    struct seen *seen = context;
    (void)reply;
    seen->tokens++;
    seen->last_id = token->id;
    seen->last_pos = token->pos;
}

static void see_document(void *context, const struct kg_reply *reply)
{
    struct seen *seen = context;
    uint32_t index = reply->request->index;
    seen->documents++;
    seen->reasons[index] = reply->reason;
    seen->lengths[index] = reply->speed.tokens;
    memcpy(seen->texts[index], reply->text, reply->n);
    seen->texts[index][reply->n] = '\0';
}

static bool see_stopped(void *context)
{
    struct seen *seen = context;
    return seen->stop_after && seen->tokens >= seen->stop_after;
}

static bool set_up_generator(struct kg_test *t, struct fixture *f)
{
    const struct kg_model_data *data = kg_test_model(t->arena, &shape, 3);
    memset(f, 0, sizeof *f);
    f->sink = (struct kg_sink){.context = &f->seen,
                               .begin = see_begin,
                               .logits = see_logits,
                               .token = see_token,
                               .done = see_document,
                               .stopped = see_stopped};
    kg_ops_fill(&f->ops, t->cpu->features, KG_ISA_C);
    if (!data || kg_model_open(&f->model, data, data->size, &f->error) != KG_OK) {
        return false;
    }
    kg_session_carve(&f->session, &f->model, &f->ops, t->arena);
    kg_generator_carve(&f->generator, &f->session, t->arena);
    return true;
}

static enum kg_status run_task(struct fixture *f, struct task task)
{
    memset(&f->seen, 0, offsetof(struct seen, stop_after));
    const struct kg_request request = {.max_tokens = task.max_tokens,
                                       .seed = task.seed,
                                       .sampling = {.temperature = task.temperature, .top_p = 1},
                                       .logits = true};
    return kg_generate(&f->generator, task.prompt, task.samples, &request, &f->sink, &f->totals, &f->error);
}

KG_TEST(generate, takes_what_it_counts)
{
    struct fixture f;
    struct kg_arena counted = kg_arena_counting();
    KG_CHECK(t, set_up_generator(t, &f));
    kg_generator_carve(&f.generator, &f.session, &counted);
    size_t before = t->arena->used;
    kg_generator_carve(&f.generator, &f.session, t->arena);
    KG_CHECK_EQ(t, t->arena->used - before, counted.used);
}

KG_TEST(generate, tells_everything_once)
{
    struct fixture f;
    KG_CHECK(t, set_up_generator(t, &f));
    KG_CHECK_EQ(t, run_task(&f, plain), KG_OK);
    KG_CHECK_EQ(t, f.seen.begun, 8);
    KG_CHECK_EQ(t, f.seen.documents, 8);
    KG_CHECK_EQ(t, f.totals.samples, 8);
    KG_CHECK_EQ(t, f.seen.tokens, f.totals.tokens);
    KG_CHECK_EQ(t, f.totals.prompt_tokens, 8);
    uint32_t lengths = 0;
    for (int i = 0; i < 8; i++) {
        lengths += f.seen.lengths[i];
        KG_CHECK(t, f.seen.reasons[i] == (kg_strlen(f.seen.texts[i]) == 8 ? KG_REASON_CONTEXT : KG_REASON_EOS));
    }
    KG_CHECK_EQ(t, lengths, f.totals.tokens);
    KG_CHECK_EQ(t, f.seen.logits, f.totals.tokens); /* one step for BOS, then one for each token but the last */
}

KG_TEST(generate, the_seed_decides)
{
    struct fixture f;
    struct seen first;
    struct task task = plain;
    KG_CHECK(t, set_up_generator(t, &f));
    run_task(&f, task);
    first = f.seen;
    run_task(&f, task);
    KG_CHECK(t, memcmp(first.texts, f.seen.texts, sizeof first.texts) == 0);
    task.samples = 3; /* a sample does not depend on those after it, */
    run_task(&f, task);
    KG_CHECK_TEXT(t, f.seen.texts[2], first.texts[2]);
    task.seed = 2;
    run_task(&f, task);
    KG_CHECK(t, !kg_streq(f.seen.texts[0], first.texts[0]) || !kg_streq(f.seen.texts[1], first.texts[1]));
}

KG_TEST(generate, the_prompt_begins_the_text)
{
    struct fixture f;
    struct task task = plain;
    KG_CHECK(t, set_up_generator(t, &f));
    task.prompt = "abc";
    task.max_tokens = 1;
    KG_CHECK_EQ(t, run_task(&f, task), KG_OK);
    KG_CHECK_EQ(t, f.totals.prompt_tokens, 4 * 8);
    KG_CHECK_EQ(t, f.seen.last_pos, 4);
    for (int i = 0; i < 8; i++) {
        KG_CHECK(t, kg_str_starts(f.seen.texts[i], "abc"));
        KG_CHECK_EQ(t, f.seen.lengths[i], 1);
    }
}

KG_TEST(generate, max_tokens_ends_a_document)
{
    struct fixture f;
    struct task task = plain;
    KG_CHECK(t, set_up_generator(t, &f));
    task.max_tokens = 2;
    uint32_t ended = 0;
    KG_CHECK_EQ(t, run_task(&f, task), KG_OK);
    for (int i = 0; i < 8; i++) {
        KG_CHECK(t, f.seen.lengths[i] <= 2);
        ended += f.seen.reasons[i] == KG_REASON_MAX_TOKENS;
    }
    KG_CHECK(t, ended > 0);
}

KG_TEST(generate, a_prompt_that_fills_the_context_leaves_one_token)
{
    struct fixture f;
    struct task task = plain;
    KG_CHECK(t, set_up_generator(t, &f));
    task.prompt = "abcdefg";
    KG_CHECK_EQ(t, run_task(&f, task), KG_OK);
    for (int i = 0; i < 8; i++) {
        KG_CHECK_EQ(t, f.seen.lengths[i], 1);
    }
    task.prompt = "abcdefgh";
    KG_CHECK_EQ(t, run_task(&f, task), KG_E_CONTEXT);
    KG_CHECK_TEXT(t, f.error.message, "the prompt has 8 tokens, more than the 7 that the context of 8 leaves");
    KG_CHECK_EQ(t, f.seen.begun, 0);
}

KG_TEST(generate, an_unknown_character_is_refused_before_anything)
{
    struct fixture f;
    struct task task = plain;
    KG_CHECK(t, set_up_generator(t, &f));
    task.prompt = "ab!";
    KG_CHECK_EQ(t, run_task(&f, task), KG_E_INPUT);
    KG_CHECK_EQ(t, f.seen.begun + f.seen.logits, 0);
}

KG_TEST(generate, stops_when_told)
{
    struct fixture f;
    struct task task = plain;
    KG_CHECK(t, set_up_generator(t, &f));
    task.temperature = 0;
    f.seen.stop_after = 1;
    KG_CHECK_EQ(t, run_task(&f, task), KG_E_STOPPED);
    KG_CHECK_EQ(t, f.seen.documents, f.totals.samples);
    KG_CHECK_EQ(t, f.seen.reasons[f.totals.samples - 1], KG_REASON_STOPPED);
    KG_CHECK_EQ(t, f.seen.tokens, 1);
}

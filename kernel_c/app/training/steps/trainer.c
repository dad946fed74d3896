#include "trainer.h"

#include "fast_parallel.h"
#include "kgpt/train_exact.h"
#include "kgpt/train_fast.h"

static struct kg_fast_settings fast_settings(const struct kg_trainer_settings *settings)
{
    return (struct kg_fast_settings){
        .shape = settings->shape,
        .adam = settings->config->adam,
        .seed = settings->seed,
        .batch = settings->config->batch,
        .chunks = settings->config->chunks,
        .workers = settings->workers < KG_EVAL_WORKERS ? settings->workers : KG_EVAL_WORKERS,
        .features = settings->features,
        .highest = settings->highest,
    };
}

static enum kg_status fast_check(const struct kg_trainer_settings *settings, const struct kg_corpus *corpus,
                                 struct kg_error *error)
{
    struct kg_fast_settings own = fast_settings(settings);
    return kg_fast_check(&own, corpus, error);
}

static void fast_carve(struct kg_trainer *trainer, const struct kg_trainer_settings *settings,
                       const struct kg_corpus *corpus, struct kg_arena *arena)
{
    struct kg_fast_settings own = fast_settings(settings);
    trainer->state = kg_fast_carve(&own, corpus, arena);
    trainer->workers = settings->workers;
}

static void fast_draw(struct kg_trainer *trainer, const struct kg_trainer_settings *settings)
{
    (void)settings;
    kg_fast_draw(trainer->state);
}

static double fast_step(struct kg_trainer *trainer)
{
    return kg_fast_parallel_step(trainer->state, trainer->workers);
}

static double fast_eval(struct kg_trainer *trainer, const struct kg_corpus *corpus)
{
    return kg_fast_parallel_eval(trainer->state, trainer->workers, corpus);
}

static void fast_export(const struct kg_trainer *trainer, float *weights)
{
    kg_fast_export(trainer->state, weights);
}

static uint64_t fast_steps_done(const struct kg_trainer *trainer)
{
    return kg_fast_steps_done(trainer->state);
}

static uint64_t fast_state_size(const struct kg_trainer *trainer)
{
    return kg_fast_state_size(trainer->state);
}

static void fast_save(const struct kg_trainer *trainer, void *state)
{
    kg_fast_save(trainer->state, state);
}

static enum kg_status fast_load(struct kg_trainer *trainer, const void *state, uint64_t size, struct kg_error *error)
{
    return kg_fast_load(trainer->state, state, size, error);
}

static const struct kg_trainer fast = {
    .name = "fast",
    .check = fast_check,
    .carve = fast_carve,
    .draw = fast_draw,
    .step = fast_step,
    .eval = fast_eval,
    .export_weights = fast_export,
    .steps_done = fast_steps_done,
    .state_size = fast_state_size,
    .save = fast_save,
    .load = fast_load,
};

/* The state of the exact method: struct kg_exact, and what drawing documents needs. */
struct exact {
    struct kg_exact *trainer;
    const struct kg_corpus *corpus;
    uint32_t *tokens; /* (n_ctx): a document that is being drawn */
};

static struct kg_exact_settings exact_settings(const struct kg_trainer_settings *settings)
{
    return (struct kg_exact_settings){.shape = settings->shape, .adam = settings->config->adam, .seed = settings->seed};
}

static enum kg_status exact_check(const struct kg_trainer_settings *settings, const struct kg_corpus *corpus,
                                  struct kg_error *error)
{
    struct kg_exact_settings own = exact_settings(settings);
    return kg_exact_check(&own, corpus, error);
}

static void exact_carve(struct kg_trainer *trainer, const struct kg_trainer_settings *settings,
                        const struct kg_corpus *corpus, struct kg_arena *arena)
{
    struct kg_exact_settings own = exact_settings(settings);
    struct exact made = {.corpus = corpus}, *exact = kg_arena_take(arena, sizeof *exact);
    made.tokens = kg_arena_array(arena, settings->shape.n_ctx, sizeof *made.tokens);
    made.trainer = kg_exact_carve(&own, corpus, arena);
    if (!arena->counts) {
        *exact = made;
    }
    trainer->state = exact;
}

static struct kg_exact *exact_of(const struct kg_trainer *trainer)
{
    return ((const struct exact *)trainer->state)->trainer;
}

static void exact_draw(struct kg_trainer *trainer, const struct kg_trainer_settings *settings)
{
    kg_exact_draw(exact_of(trainer));
    kg_exact_use(exact_of(trainer), settings->features, settings->highest);
}

static double exact_step(struct kg_trainer *trainer)
{
    return kg_exact_step(exact_of(trainer));
}

static double exact_eval(struct kg_trainer *trainer, const struct kg_corpus *corpus)
{
    double sum = 0;
    for (uint32_t i = 0; i < corpus->n_documents; i++) {
        uint32_t from = corpus->start[i];
        sum += kg_exact_loss(exact_of(trainer), corpus->tokens + from, corpus->start[i + 1] - from);
    }
    return sum / corpus->n_documents;
}

static void exact_export(const struct kg_trainer *trainer, float *weights)
{
    kg_exact_export(exact_of(trainer), weights);
}

static uint64_t exact_steps_done(const struct kg_trainer *trainer)
{
    return kg_exact_steps_done(exact_of(trainer));
}

static uint64_t exact_state_size(const struct kg_trainer *trainer)
{
    return kg_exact_state_size(exact_of(trainer));
}

static void exact_save(const struct kg_trainer *trainer, void *state)
{
    kg_exact_save(exact_of(trainer), state);
}

static enum kg_status exact_load(struct kg_trainer *trainer, const void *state, uint64_t size, struct kg_error *error)
{
    return kg_exact_load(exact_of(trainer), state, size, error);
}

static uint32_t exact_sample(struct kg_trainer *trainer, double temperature, char *text, size_t size)
{
    struct exact *exact = trainer->state;
    uint32_t n = kg_exact_sample(exact->trainer, temperature, exact->tokens);
    kg_corpus_text(exact->corpus, exact->tokens, n, text, size);
    return n;
}

static const struct kg_trainer exact = {
    .name = "exact",
    .batch = 1,
    .check = exact_check,
    .carve = exact_carve,
    .draw = exact_draw,
    .step = exact_step,
    .eval = exact_eval,
    .export_weights = exact_export,
    .steps_done = exact_steps_done,
    .state_size = exact_state_size,
    .save = exact_save,
    .load = exact_load,
    .sample = exact_sample,
};

struct kg_trainer kg_trainer_of(const struct kg_train_config *config)
{
    struct kg_trainer trainer = config->exact ? exact : fast;
    trainer.batch = config->exact ? 1 : config->batch;
    return trainer;
}

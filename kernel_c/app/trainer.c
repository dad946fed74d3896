#include "trainer.h"

#include "kgpt/train_fast.h"

static struct kg_fast_settings fast_settings(const struct kg_trainer_settings *settings)
{
    return (struct kg_fast_settings){
        .shape = settings->shape,
        .adam = settings->config->adam,
        .seed = settings->seed,
        .batch = settings->config->batch,
        .features = settings->features,
        .highest = settings->highest,
    };
}

static enum kg_status fast_check(const struct kg_trainer_settings *settings, struct kg_error *error)
{
    struct kg_fast_settings own = fast_settings(settings);
    return kg_fast_check(&own, error);
}

static uint64_t fast_size(const struct kg_trainer_settings *settings, const struct kg_corpus *corpus)
{
    struct kg_fast_settings own = fast_settings(settings);
    return kg_fast_size(&own, corpus);
}

static enum kg_status fast_init(struct kg_trainer *trainer, const struct kg_trainer_settings *settings,
                                const struct kg_corpus *corpus, struct kg_arena *arena, struct kg_error *error)
{
    struct kg_fast_settings own = fast_settings(settings);
    struct kg_fast *fast = NULL;
    enum kg_status status = kg_fast_init(&fast, &own, corpus, arena, error);
    trainer->state = fast;
    return status;
}

static double fast_step(struct kg_trainer *trainer)
{
    return kg_fast_step(trainer->state);
}

static double fast_eval(struct kg_trainer *trainer, const struct kg_corpus *corpus)
{
    return kg_fast_eval(trainer->state, 0, corpus, 0, corpus->n_documents);
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
    .size = fast_size,
    .init = fast_init,
    .step = fast_step,
    .eval = fast_eval,
    .export_weights = fast_export,
    .steps_done = fast_steps_done,
    .state_size = fast_state_size,
    .save = fast_save,
    .load = fast_load,
};

struct kg_trainer kg_trainer_of(const struct kg_train_config *config)
{
    struct kg_trainer trainer = fast;
    trainer.batch = config->batch;
    return trainer;
}

/* See training_weights.h. */
#include "training_weights.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "kgpt/mem.h"
#include "kgpt/train_blob.h"

#define MODEL_NAME "trained"

void kg_weights_carve(struct kg_weights *weights, const struct kg_shape *shape, const struct kg_corpus *corpus,
                      struct kg_arena *arena)
{
    *weights = (struct kg_weights){0};
    weights->present = kg_arena_take(arena, kg_blob_size(shape, corpus));
    weights->best = kg_arena_take(arena, kg_blob_size(shape, corpus));
}

enum kg_status kg_weights_open(struct kgpt *k, struct kg_weights *weights, const struct kg_shape *shape,
                               const struct kg_corpus *corpus, struct kg_error *error)
{
    kg_blob_begin(weights->present, shape, corpus, MODEL_NAME);
    kg_blob_finish(weights->present);
    return kg_model_open(&k->model, weights->present, weights->present->size, error);
}

void kg_weights_carve_engine(struct kgpt *k, struct kg_arena *arena)
{
    kg_session_carve(&k->session, &k->model, &k->ops, arena);
    kg_generator_carve(&k->generator, &k->session, arena);
}

void kg_weights_refresh(struct kg_weights *weights, const struct kg_trainer *trainer)
{
    trainer->export_weights(trainer, kg_blob_weights(weights->present));
    kg_blob_finish(weights->present);
}

void kg_weights_keep(struct kg_weights *weights, uint64_t step, double loss)
{
    memcpy(weights->best, weights->present, weights->present->size);
    weights->best_step = step;
    weights->best_loss = loss;
    weights->has_best = true;
}

void kg_weights_use_best(struct kg_weights *weights)
{
    memcpy(weights->present, weights->best, weights->best->size);
}

void kg_weights_remember(const struct kgpt *k, struct kg_engine_before *before)
{
    before->model = k->model;
    before->session = k->session;
    before->generator = k->generator;
    before->used = k->arena.used;
}

void kg_weights_forget(struct kgpt *k, const struct kg_engine_before *before)
{
    k->model = before->model;
    k->session = before->session;
    k->generator = before->generator;
    kg_arena_rewind(&k->arena, before->used);
}

/* The sink of a preview takes the finished document alone. Its context is the number of the step. */
static void send_preview(void *context, const struct kg_reply *reply)
{
    const uint64_t *step = context;
    KG_EMIT(preview, .step = *step, .text = {reply->text, reply->n});
}

void kg_weights_preview(struct kgpt *k, uint64_t step)
{
    const struct kg_sink sink = {.context = &step, .done = send_preview};
    const struct kg_request request = {.seed = step, .sampling = k->config.sampling};
    struct kg_totals totals;
    struct kg_error never; /* an empty prompt can always be used */
    kg_generate(&k->generator, "", 1, &request, &sink, &totals, &never);
}

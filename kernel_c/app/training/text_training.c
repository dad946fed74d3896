/* Runs a training on a running text: see text_training.h and docs/training.md. */
#include "text_training.h"

#include "app/cmdline/keys.h"
#include "app/events/events.h"
#include "app/events/print.h"
#include "app/run/request.h"
#include "app/training/steps/dense_parallel.h"
#include "app/training/steps/text_sample.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "training_documents.h"

#define PREVIEWS 4u /* of a whole training */

struct text_training {
    struct kg_training_report *report;
    struct kgpt *k;
    struct kg_corpus corpus;
    struct kg_dense_settings settings;
    struct kg_dense_text text;
    struct kg_dense *dense;
    uint64_t n_parameters;
    float *best; /* (n_parameters): by validation; without one, those of the last step */
    uint64_t best_step;
    double best_loss;
    bool has_best;
    uint32_t since_best; /* validations */
    double last_loss;
    struct kg_text_sample *sample;
};

static void choose_text_settings(struct text_training *t)
{
    struct kgpt *k = t->k;
    const struct kg_train_config *train = &k->config.train;
    const struct kg_block_config *block = &k->config.block;
    uint32_t held_back = (uint32_t)((double)t->corpus.n_tokens * train->val_fraction);
    t->settings = (struct kg_dense_settings){
        .shape = {.kind = block->block,
                  .n_layer = train->n_layer,
                  .n_head = train->n_head,
                  .n_embd = train->n_embd,
                  .n_ctx = train->block_size,
                  .n_vocab = t->corpus.n_chars,
                  .bias = !block->no_bias,
                  .tied = true},
        .steps = train->adam.steps,
        .warmup = block->warmup,
        .constant = block->schedule,
        .batch = train->batch,
        .chunks = train->chunks,
        .workers = k->workers,
        .lr = train->adam.lr,
        .beta1 = train->adam.beta1,
        .beta2 = train->adam.beta2,
        .eps = train->adam.eps,
        .weight_decay = train->adam.weight_decay,
        .grad_clip = block->grad_clip,
        .dropout = block->dropout,
        .seed = kg_resolve_seed(&k->config),
        .features = k->info->cpu->features,
        .highest = (enum kg_isa)k->config.cpumask,
    };
    uint64_t windows = (uint64_t)block->eval_batches * train->batch;
    t->text = (struct kg_dense_text){
        .tokens = t->corpus.tokens,
        .n = t->corpus.n_tokens,
        .n_train = t->corpus.n_tokens - held_back,
        .eval_windows = windows < UINT32_MAX ? (uint32_t)windows : UINT32_MAX,
    };
}

/* The training, the best weights, and what sending the results takes for a while. */
static void carve_text_training(struct text_training *t, struct kg_arena *arena)
{
    t->n_parameters = kg_dense_parameters(&t->settings.shape);
    t->best = kg_arena_array(arena, t->n_parameters, sizeof *t->best);
    t->sample = kg_arena_take(arena, sizeof *t->sample);
    t->dense = kg_dense_carve(&t->settings, &t->text, arena);
}

/* More processors than chunks have nothing to do. */
static void limit_workers(struct text_training *t)
{
    uint32_t most = kg_dense_chunks_of(&t->settings);
    t->settings.workers = t->settings.workers < most ? t->settings.workers : most;
    t->settings.workers = t->settings.workers < 1 ? 1 : t->settings.workers;
}

static enum kg_status take_text_memory(struct text_training *t, struct kg_error *error)
{
    struct kg_arena *arena = &t->k->arena, counted = kg_arena_counting();
    carve_text_training(t, &counted);
    kg_arena_take(&counted, kg_dense_state_size(&t->settings.shape));
    if (counted.peak > kg_arena_left(arena)) {
        return kg_training_refuse_memory(counted.peak, kg_arena_left(arena), error);
    }
    carve_text_training(t, arena);
    kg_dense_draw(t->dense);
    return KG_OK;
}

static enum kg_status set_up_text_training(struct text_training *t, struct kg_error *error)
{
    struct kg_documents documents;
    const struct kg_file *saved = kg_saved_training(t->k->info);
    enum kg_status status = kg_documents_read(t->k, &documents, error);
    if (status != KG_OK) {
        return status;
    }
    t->corpus = documents.all;
    choose_text_settings(t);
    limit_workers(t);
    status = kg_dense_check(&t->settings, &t->text, error);
    if (status == KG_OK) {
        status = take_text_memory(t, error);
    }
    return status == KG_OK && saved ? kg_dense_load(t->dense, saved->data, saved->size, error) : status;
}

static bool validates(const struct text_training *t)
{
    return t->text.n > t->text.n_train;
}

static void keep_text_weights(struct text_training *t, uint64_t step, double loss)
{
    kg_dense_export(t->dense, t->best);
    t->best_step = step;
    t->best_loss = loss;
    t->has_best = true;
}

static void validate_text(struct text_training *t, uint64_t step)
{
    double loss = kg_dense_parallel_eval(t->dense, t->settings.workers);
    kg_training_report_validation(t->report, step, loss);
    t->since_best++;
    if (kg_is_finite(loss) && (!t->has_best || loss < t->best_loss)) {
        keep_text_weights(t, step, loss);
        t->since_best = 0;
    }
}

static void send_floats(const struct text_training *t, const char *name, uint64_t step, double loss,
                        const float *floats)
{
    kg_event_blob(name, step, loss, floats, t->n_parameters * sizeof *floats);
}

/* The best weights, the last weights, and the state for a later training. */
static void send_text_results(struct text_training *t)
{
    struct kg_arena *arena = &t->k->arena;
    uint64_t size = kg_dense_state_size(&t->settings.shape), step = kg_dense_steps_done(t->dense);
    size_t used = arena->used;
    void *room = kg_arena_take(arena, size); /* take_text_memory has counted it */
    if (!validates(t)) {
        keep_text_weights(t, step, t->last_loss);
    }
    if (t->has_best) {
        send_floats(t, "best", t->best_step, t->best_loss, t->best);
    }
    kg_dense_export(t->dense, room);
    send_floats(t, "last", step, t->last_loss, room);
    kg_dense_save(t->dense, room);
    kg_event_blob("state", step, t->last_loss, room, size);
    kg_arena_rewind(arena, used);
}

static bool is_text_step_due(uint32_t every, uint64_t step)
{
    return every && step % every == 0;
}

static void draw_text_sample(struct text_training *t)
{
    kg_text_sample_draw(t->sample, t->dense, &t->corpus, t->settings.shape.n_ctx, t->settings.seed);
}

/* Some steps show what the weights generate; the last step does so anyway. */
static void preview_text(struct text_training *t, uint64_t step)
{
    if (plat_has_events() && step != t->report->until && is_text_step_due(t->settings.steps / PREVIEWS, step)) {
        draw_text_sample(t);
        KG_EMIT(preview, .step = step, .text = {t->sample->text, t->sample->n});
    }
}

/* The step whose number is `step`, from 1. */
static enum kg_status take_text_step(struct text_training *t, uint64_t step, struct kg_error *error)
{
    const struct kg_train_config *config = &t->k->config.train;
    double loss = kg_dense_parallel_step(t->dense, t->settings.workers);
    if (!kg_is_finite(loss)) {
        if (t->has_best) {
            send_floats(t, "best", t->best_step, t->best_loss, t->best);
        }
        return kg_training_refuse_loss(step, t->has_best, error);
    }
    t->last_loss = loss;
    kg_training_report_step(t->report, step, loss, kg_dense_learning_rate(&t->settings, step - 1));
    preview_text(t, step);
    if (validates(t) && (is_text_step_due(config->eval_every, step) || step == t->report->until)) {
        validate_text(t, step);
    }
    if (is_text_step_due(config->checkpoint_every, step) && step != t->report->until) {
        send_text_results(t);
    }
    return KG_OK;
}

static bool has_lost_patience(const struct text_training *t)
{
    uint32_t patience = t->k->config.block.patience;
    return patience && t->since_best >= patience;
}

static enum kg_status take_text_steps(struct text_training *t, bool *stopped, struct kg_error *error)
{
    uint64_t step = kg_dense_steps_done(t->dense);
    enum kg_status status = KG_OK;
    while (step < t->report->until && status == KG_OK && !has_lost_patience(t) &&
           !(*stopped = kg_input_stopped(&t->k->input))) {
        status = take_text_step(t, ++step, error);
    }
    if (status == KG_OK && *stopped && validates(t)) {
        validate_text(t, step);
    }
    if (status == KG_OK && has_lost_patience(t) && step < t->report->until) {
        kg_print("kgpt: no new best in %u validation%s: stopped after step %lu\n", t->since_best,
                 kg_plural(t->since_best), (unsigned long)step);
        *stopped = true;
    }
    kg_training_curve_show(t->report->curve);
    return status;
}

/* A text by the last weights. */
static void show_text_sample(struct text_training *t)
{
    draw_text_sample(t);
    const struct kg_document document = {
        .text = t->sample->text, .n = t->sample->n, .tokens = KG_SAMPLE_CHARS, .reason = KG_REASON_MAX_TOKENS};
    kg_print("sample  1: ");
    plat_text(KG_VOICE_MODEL, document.text, document.n);
    plat_text(KG_VOICE_MODEL, "\n", 1);
    kg_event_document(&document);
}

static void announce_text_training(struct text_training *t)
{
    const struct kg_dense_shape *shape = &t->settings.shape;
    const char *kind = kg_block_names[shape->kind];
    uint64_t done = kg_dense_steps_done(t->dense);
    KG_EMIT(corpus, .documents = 1, .characters = t->text.n, .n_vocab = shape->n_vocab, .train = t->text.n_train,
            .validation = t->text.n - t->text.n_train);
    KG_EMIT(training, .method = kind, .steps = t->settings.steps, .batch = t->settings.batch, .n_layer = shape->n_layer,
            .n_embd = shape->n_embd, .n_head = shape->n_head, .block_size = shape->n_ctx, .parameters = t->n_parameters,
            .seed = t->settings.seed, .first_step = done);
    kg_print("kgpt: text: %'u characters to train on, %'u to validate, %u different; %s: %'lu parameters; "
             "%u step%s of %u window%s\n",
             t->text.n_train, t->text.n - t->text.n_train, shape->n_vocab, kind, (unsigned long)t->n_parameters,
             t->settings.steps, kg_plural(t->settings.steps), t->settings.batch, kg_plural(t->settings.batch));
    kg_training_report_begin(t->report, done);
}

enum kg_status kg_text_training_run(struct kg_training_report *report, struct kg_training_end *end,
                                    struct kg_error *error)
{
    struct text_training training = {.report = report, .k = report->k}, *t = &training;
    enum kg_status status = set_up_text_training(t, error);
    if (status != KG_OK) {
        return status;
    }
    announce_text_training(t);
    uint64_t first = kg_dense_steps_done(t->dense), start = plat_ticks();
    status = take_text_steps(t, &end->stopped, error);
    if (status != KG_OK) {
        return status;
    }
    uint64_t us = kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
    uint64_t done = kg_dense_steps_done(t->dense) - first;
    kg_print("kgpt: %'lu step%s in %.1f s (%.1f ms a step)\n", (unsigned long)done, kg_plural(done), (double)us / 1e6,
             done ? (double)us / 1e3 / (double)done : 0.0);
    send_text_results(t);
    show_text_sample(t);
    end->sampled = true; /* the kernel's engine cannot run the model */
    return KG_OK;
}

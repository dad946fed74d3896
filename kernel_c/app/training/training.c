/* Runs a training, prints its progress and sends its events: see training.h and docs/events.md. */
#include "training.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/run/cpus.h"
#include "app/run/generation.h"
#include "app/run/module.h"
#include "app/run/request.h"
#include "app/training/report/training_report.h"
#include "app/training/steps/trainer.h"
#include "kgpt/math.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "text_training.h"
#include "training_documents.h"
#include "training_state.h"

#define CHECKPOINTS 100 /* how often a whole training keeps weights that gave a finite loss */

const bool kg_can_train = true;

struct training {
    struct kgpt *k;
    struct kg_training_report report;
    struct kg_trainer trainer;
    struct kg_trainer_settings settings;
    struct kg_documents documents;
    struct kg_weights weights; /* the best by validation; without one, the last that gave a finite loss */
    double last_loss;
};

static void choose_training_settings(struct training *t)
{
    struct kgpt *k = t->k;
    const struct kg_train_config *config = &k->config.train;
    t->settings.config = config;
    t->settings.seed = kg_resolve_seed(&k->config);
    t->settings.shape = (struct kg_shape){
        .n_vocab = t->documents.all.n_vocab,
        .n_ctx = config->block_size,
        .n_embd = config->n_embd,
        .n_layer = config->n_layer,
        .n_head = config->n_head,
        .n_ff = 4 * config->n_embd,
    };
    t->settings.features = k->info->cpu->features;
    t->settings.workers = k->workers;
    t->settings.highest = (enum kg_isa)k->config.cpumask;
    t->trainer = kg_trainer_of(config);
}

static void carve_trainer(struct training *t, struct kg_arena *arena)
{
    kg_weights_carve(&t->weights, &t->settings.shape, &t->documents.all, arena);
    t->trainer.carve(&t->trainer, &t->settings, &t->documents.train, arena);
}

static void *take_state(const struct training *t, struct kg_arena *arena)
{
    return kg_arena_take(arena, t->trainer.state_size(&t->trainer));
}

/* UTF-8 of one document and a NUL: `size` bytes. */
static char *take_document_text(const struct training *t, struct kg_arena *arena, size_t *size)
{
    *size = 4 * (size_t)t->settings.shape.n_ctx + 1;
    return kg_arena_take(arena, *size);
}

/* Session and generator of the trained model, and the temporary memory at the end of the training. */
static void carve_end(struct training *t, struct kg_arena *arena)
{
    size_t used, size;
    kg_weights_carve_engine(t->k, arena);
    used = arena->used;
    take_state(t, arena);
    kg_arena_rewind(arena, used);
    take_document_text(t, arena, &size);
    kg_arena_rewind(arena, used);
}

/* Counts each part before it carves the part. The second part has the sizes of a model that lies in the first. */
static enum kg_status take_training_memory(struct training *t, struct kg_error *error)
{
    struct kg_arena *arena = &t->k->arena, counted = kg_arena_counting();
    carve_trainer(t, &counted);
    if (counted.peak > kg_arena_left(arena)) {
        return kg_training_refuse_memory(counted.peak, kg_arena_left(arena), error);
    }
    size_t left = kg_arena_left(arena);
    carve_trainer(t, arena);
    t->trainer.draw(&t->trainer, &t->settings);
    enum kg_status status = kg_weights_open(t->k, &t->weights, &t->settings.shape, &t->documents.all, error);
    if (status != KG_OK) {
        return status;
    }
    counted = kg_arena_counting();
    carve_end(t, &counted);
    if (counted.peak > kg_arena_left(arena)) {
        uint64_t needed = left - kg_arena_left(arena) + counted.peak;
        return kg_training_refuse_memory(needed, left, error);
    }
    kg_weights_carve_engine(t->k, arena);
    return KG_OK;
}

static enum kg_status resume_training(struct training *t, struct kg_error *error)
{
    const struct kg_file *saved = kg_saved_training(t->k->info);
    return saved ? t->trainer.load(&t->trainer, saved->data, saved->size, error) : KG_OK;
}

static enum kg_status set_up_training(struct training *t, struct kg_error *error)
{
    enum kg_status status = kg_documents_read(t->k, &t->documents, error);
    if (status != KG_OK) {
        return status;
    }
    choose_training_settings(t);
    status = t->trainer.check(&t->settings, &t->documents.all, error);
    if (status == KG_OK) {
        status = kg_documents_split(t->k, &t->documents, t->settings.seed, error);
    }
    if (status == KG_OK) {
        status = take_training_memory(t, error);
    }
    return status == KG_OK ? resume_training(t, error) : status;
}

static bool has_validation(const struct training *t)
{
    return t->documents.validation.n_documents > 0;
}

static void keep_weights(struct training *t, uint64_t step, double loss)
{
    kg_weights_refresh(&t->weights, &t->trainer);
    kg_weights_keep(&t->weights, step, loss);
}

static void validate_weights(struct training *t, uint64_t step)
{
    double loss = t->trainer.eval(&t->trainer, &t->documents.validation);
    kg_training_report_validation(&t->report, step, loss);
    if (kg_is_finite(loss) && (!t->weights.has_best || loss < t->weights.best_loss)) {
        keep_weights(t, step, loss);
    }
}

static double learning_rate(const struct kg_adam *adam, uint64_t step)
{
    return adam->lr * (1 - (double)step / adam->steps);
}

static void report_step(struct training *t, uint64_t step, double loss)
{
    double lr = learning_rate(&t->settings.config->adam, step);
    if (kg_training_report_step(&t->report, step + 1, loss, lr) && plat_has_events()) {
        kg_weights_refresh(&t->weights, &t->trainer);
        kg_weights_preview(t->k, step + 1);
    }
}

static enum kg_status refuse_diverged(struct training *t, uint64_t step, struct kg_error *error)
{
    const struct kg_weights *weights = &t->weights;
    if (weights->has_best) {
        kg_event_blob("best", weights->best_step, weights->best_loss, weights->best, weights->best->size);
    }
    return kg_training_refuse_loss(step + 1, weights->has_best, error);
}

/* Sends what the host writes to files: the best weights, the last weights, and the state for a later training. */
static void send_results(struct training *t)
{
    struct kg_weights *weights = &t->weights;
    struct kg_arena *arena = &t->k->arena;
    uint64_t size = t->trainer.state_size(&t->trainer), step = t->trainer.steps_done(&t->trainer);
    size_t used = arena->used;
    void *state = take_state(t, arena); /* carve_end has counted it */
    t->trainer.save(&t->trainer, state);
    kg_weights_refresh(weights, &t->trainer);
    if (has_validation(t) && weights->has_best) {
        kg_event_blob("best", weights->best_step, weights->best_loss, weights->best, weights->best->size);
    } else {
        kg_event_blob("best", step, t->last_loss, weights->present, weights->present->size);
    }
    kg_event_blob("last", step, t->last_loss, weights->present, weights->present->size);
    kg_event_blob("state", step, t->last_loss, state, size);
    kg_arena_rewind(arena, used);
}

static bool is_step_due(uint64_t every, uint64_t step)
{
    return every && step % every == 0;
}

/* A step returns the loss of the weights before it. Keeps those weights from time to time, in case a later loss is not
 * finite. */
static double step_and_keep(struct training *t, uint64_t step)
{
    bool may_keep =
        !has_validation(t) && step > 0 && is_step_due(t->settings.config->adam.steps / CHECKPOINTS + 1, step);
    if (may_keep) {
        kg_weights_refresh(&t->weights, &t->trainer);
    }
    double loss = t->trainer.step(&t->trainer);
    if (may_keep && kg_is_finite(loss)) {
        kg_weights_keep(&t->weights, step, loss);
    }
    return loss;
}

static enum kg_status train_step(struct training *t, uint64_t step, struct kg_error *error)
{
    const struct kg_train_config *config = t->settings.config;
    double loss = step_and_keep(t, step);
    if (!kg_is_finite(loss)) {
        return refuse_diverged(t, step, error);
    }
    t->last_loss = loss;
    report_step(t, step, loss);
    if (step + 1 == t->report.until) {
        return KG_OK; /* train_steps validates after the last step */
    }
    if (has_validation(t) && is_step_due(config->eval_every, step + 1)) {
        validate_weights(t, step + 1);
    }
    if (is_step_due(config->checkpoint_every, step + 1)) {
        send_results(t);
    }
    return KG_OK;
}

/* Before the first step, where weights are sent on the way: the beginning of a recording. */
static void send_first_weights(struct training *t)
{
    struct kg_weights *weights = &t->weights;
    if (t->settings.config->checkpoint_every && plat_has_events()) {
        kg_weights_refresh(weights, &t->trainer);
        kg_event_blob("first", 0, 0, weights->present, weights->present->size);
    }
}

static enum kg_status train_steps(struct training *t, bool *stopped, struct kg_error *error)
{
    uint64_t step = t->trainer.steps_done(&t->trainer);
    if (step == 0) {
        send_first_weights(t);
    }
    for (; step < t->report.until && !(*stopped = kg_input_stopped(&t->k->input)); step++) {
        enum kg_status status = train_step(t, step, error);
        if (status != KG_OK) {
            return status;
        }
    }
    if (has_validation(t)) {
        validate_weights(t, step);
    }
    kg_training_curve_show(t->report.curve);
    return KG_OK;
}

static void announce_training(struct training *t)
{
    const struct kg_shape *shape = &t->settings.shape;
    const struct kg_documents *documents = &t->documents;
    uint64_t done = t->trainer.steps_done(&t->trainer);
    KG_EMIT(corpus, .documents = documents->all.n_documents, .characters = documents->all.n_tokens,
            .n_vocab = documents->all.n_vocab, .train = documents->train.n_documents,
            .validation = documents->validation.n_documents);
    KG_EMIT(training, .method = t->trainer.name, .steps = t->k->config.train.adam.steps, .batch = t->trainer.batch,
            .n_layer = shape->n_layer, .n_embd = shape->n_embd, .n_head = shape->n_head, .block_size = shape->n_ctx,
            .parameters = kg_layout_of(shape).n_parameters, .seed = t->settings.seed, .first_step = done);
    uint32_t documents_n = documents->all.n_documents, steps = t->settings.config->adam.steps, batch = t->trainer.batch;
    kg_print("kgpt: corpus: %'u document%s, %u tokens; model: %'lu parameters; method %s, %u step%s of %u document%s\n",
             documents_n, kg_plural(documents_n), documents->all.n_vocab,
             (unsigned long)kg_layout_of(shape).n_parameters, t->trainer.name, steps, kg_plural(steps), batch,
             kg_plural(batch));
    kg_training_report_begin(&t->report, done);
}

/* Ends as microgpt does: draws documents with the generator that shuffled the corpus and drew the first weights. */
static void draw_samples(struct training *t)
{
    const struct kg_config *config = &t->k->config;
    size_t used = t->k->arena.used, size;
    char *text = take_document_text(t, &t->k->arena, &size); /* carve_end has counted it */
    for (uint32_t i = 0; i < config->samples; i++) {
        struct kg_document document = {.index = i, .text = text};
        uint32_t n = t->trainer.sample(&t->trainer, (double)config->sampling.temperature, text, size);
        document.n = kg_strlen(text);
        document.tokens = n < config->train.block_size ? n + 1 : n; /* with the BOS that ended it */
        document.reason = n < config->train.block_size ? KG_REASON_EOS : KG_REASON_CONTEXT;
        kg_print("sample %2u: ", i + 1);
        plat_text(KG_VOICE_MODEL, text, document.n);
        plat_text(KG_VOICE_MODEL, "\n", 1);
        kg_event_document(&document);
    }
    kg_arena_rewind(&t->k->arena, used);
}

static enum kg_status run_training(struct training *t, struct kg_training_end *end, struct kg_error *error)
{
    uint64_t first = t->trainer.steps_done(&t->trainer), start = plat_ticks();
    enum kg_status status = train_steps(t, &end->stopped, error);
    uint64_t us = kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
    uint64_t done = t->trainer.steps_done(&t->trainer) - first;
    if (status != KG_OK) {
        return status;
    }
    kg_print("kgpt: %s%'lu step%s in %.1f ms (%.1f us a document)\n", end->stopped ? "stopped after " : "",
             (unsigned long)done, kg_plural(done), (double)us / 1e3,
             done ? (double)us / (double)(done * t->trainer.batch) : 0.0);
    if (!has_validation(t)) {
        keep_weights(t, t->trainer.steps_done(&t->trainer), t->last_loss);
    }
    send_results(t);
    return KG_OK;
}

/* k->trained, with k's model as it was before the first training of this run. */
static enum kg_status prepare_run(struct training *t, struct kg_error *error)
{
    struct kgpt *k = t->k;
    const struct kg_train_config *config = &k->config.train;
    bool first = !k->trained;
    if (first) {
        k->trained = kg_arena_take(&k->arena, sizeof *k->trained);
    }
    if (!k->trained) {
        return kg_training_refuse_memory(sizeof *k->trained, kg_arena_left(&k->arena), error);
    }
    t->report = (struct kg_training_report){
        .k = k,
        .log = &k->trained->log,
        .curve = &k->trained->curve,
        .until = config->until && config->until < config->adam.steps ? config->until : config->adam.steps,
        .steps = config->adam.steps,
    };
    if (!first) {
        kg_weights_forget(k, &k->trained->before);
    }
    if (!k->config.train.exact) {
        kg_cpus_start(k); /* exact training uses one processor */
    }
    kg_training_curve_open(k, t->report.curve);
    kg_weights_remember(k, &k->trained->before);
    return kg_modules_check(k, error);
}

enum kg_status kg_training_run(struct kgpt *k, struct kg_training_end *end, struct kg_error *error)
{
    struct training training = {.k = k}, *t = &training;
    *end = (struct kg_training_end){0};
    enum kg_status status = prepare_run(t, error);
    if (status == KG_OK && k->config.block.block != KG_NO_BLOCK) {
        status = kg_text_training_run(&t->report, end, error);
        kg_weights_forget(k, &k->trained->before);
        return status;
    }
    if (status == KG_OK) {
        status = set_up_training(t, error);
    }
    if (status == KG_OK) {
        announce_training(t);
        status = run_training(t, end, error);
    }
    if (!t->weights.has_best) {
        if (k->trained) {
            kg_weights_forget(k, &k->trained->before);
        }
        return status;
    }
    kg_weights_use_best(&t->weights);
    kg_event_model(k);
    end->sampled = status == KG_OK && t->trainer.sample && !end->stopped;
    if (end->sampled) {
        draw_samples(t);
    }
    return status;
}

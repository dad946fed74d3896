/* A training as people and programs see it: see training.h and the events of docs/events.md. */
#include "training.h"

#include "events.h"
#include "generation.h"
#include "kgpt/mem.h"
#include "kgpt/random.h"
#include "kgpt/str.h"
#include "kgpt/train_blob.h"
#include "print.h"
#include "trainer.h"

#define CONSOLE_LINES 20 /* of losses, in a whole training */
#define CHECKPOINTS 100  /* how often weights are kept that are known to be good, in a whole training */
#define MODEL_NAME "trained"

/* Two blobs take turns: one holds the weights that shall be sent, the other what may replace it. */
struct kept {
    struct kg_model_data *blob, *spare;
    uint64_t step;
    double loss;
    bool is_set;
};

struct training {
    struct kgpt *k;
    struct kg_trainer trainer;
    struct kg_trainer_settings settings;
    struct kg_corpus corpus, train, validation; /* validation.n_documents is 0 without one */
    struct kept best;                           /* by validation; without one, the last that gave a finite loss */
    uint64_t until;
    double last_loss;
};

static uint64_t blob_size(const struct training *t)
{
    return kg_blob_size(&t->settings.shape, &t->corpus);
}

static enum kg_status no_memory(struct training *t, uint64_t needed, struct kg_error *error)
{
    kg_error_set(error, KG_E_MEMORY, "training this model needs %s of memory, and %s are free", kg_amount(needed).text,
                 kg_amount(t->k->arena.size - t->k->arena.used).text);
    kg_error_hint(error, "give the machine more memory, or train a smaller model");
    return KG_E_MEMORY;
}

static enum kg_status read_corpus(struct training *t, struct kg_error *error)
{
    const struct kg_platform_info *info = t->k->info;
    if (info->n_files == 0) {
        kg_error_set(error, KG_E_INPUT, "mode=train needs a corpus, and the loader brought no module");
        kg_error_hint(error, "use kgpt train, or a `module` line in GRUB with a text of one document a line");
        return KG_E_INPUT;
    }
    return kg_corpus_read(&t->corpus, info->files[0].data, info->files[0].size, &t->k->arena, error);
}

/* Documents `order[first]` to `order[first + n - 1]` of the whole corpus as a corpus of their own, same vocabulary. */
static enum kg_status select_documents(struct training *t, struct kg_corpus *part, const uint32_t *order, uint32_t n)
{
    const struct kg_corpus *all = &t->corpus;
    uint32_t *start = kg_arena_take(&t->k->arena, 4 * ((size_t)n + 1));
    uint32_t *tokens = kg_arena_take(&t->k->arena, 4 * (size_t)all->n_tokens);
    if (!start || !tokens) {
        return KG_E_MEMORY;
    }
    *part = *all;
    part->n_documents = n;
    part->n_tokens = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = all->start[order[i]], length = all->start[order[i] + 1] - from;
        start[i] = part->n_tokens;
        memcpy(tokens + part->n_tokens, all->tokens + from, 4 * (size_t)length);
        part->n_tokens += length;
    }
    start[n] = part->n_tokens;
    part->start = start;
    part->tokens = tokens;
    return KG_OK;
}

/* Fisher and Yates, by a stream of the seed that nothing else draws from. */
static void shuffle(uint32_t *order, uint32_t n, uint64_t seed)
{
    struct kg_random random;
    kg_random_seed(&random, seed, UINT32_MAX);
    for (uint32_t i = n; i > 1; i--) {
        uint32_t j = (uint32_t)(kg_random_next(&random) % i), swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}

static enum kg_status split_corpus(struct training *t, struct kg_error *error)
{
    uint32_t n = t->corpus.n_documents;
    uint32_t kept_back = (uint32_t)((double)n * t->k->config.train.val_fraction);
    t->train = t->corpus;
    t->validation = t->corpus;
    t->validation.n_documents = 0;
    if (kept_back == 0) {
        return KG_OK;
    }
    if (kept_back == n) {
        kg_error_set(error, KG_E_INPUT, "val_fraction keeps all %u documents back: none are left to train on", n);
        kg_error_hint(error, "choose a smaller val_fraction");
        return KG_E_INPUT;
    }
    uint32_t *order = kg_arena_take(&t->k->arena, 4 * (size_t)n);
    for (uint32_t i = 0; order && i < n; i++) {
        order[i] = i;
    }
    if (order) {
        shuffle(order, n, t->settings.seed);
    }
    if (!order || select_documents(t, &t->validation, order, kept_back) != KG_OK ||
        select_documents(t, &t->train, order + kept_back, n - kept_back) != KG_OK) {
        return no_memory(t, kg_corpus_size(n, 2 * (uint64_t)t->corpus.n_tokens, 0), error);
    }
    return KG_OK;
}

static void choose_settings(struct training *t)
{
    struct kgpt *k = t->k;
    const struct kg_train_config *config = &k->config.train;
    t->settings.config = config;
    t->settings.shape = (struct kg_shape){
        .n_vocab = t->corpus.n_vocab,
        .n_ctx = config->block_size,
        .n_embd = config->n_embd,
        .n_layer = config->n_layer,
        .n_head = config->n_head,
        .n_ff = 4 * config->n_embd,
    };
    t->settings.features = k->info->cpu->features;
    t->settings.workers = k->workers;
    t->settings.highest = (enum kg_isa)k->config.cpumask;
    t->until = config->until && config->until < config->adam.steps ? config->until : config->adam.steps;
    t->trainer = kg_trainer_of(config);
}

static enum kg_status take_blobs(struct training *t)
{
    struct kg_model_data **places[] = {&t->best.blob, &t->best.spare};
    for (int i = 0; i < 2; i++) {
        *places[i] = kg_arena_take(&t->k->arena, blob_size(t));
        if (!*places[i]) {
            return KG_E_MEMORY;
        }
        kg_blob_begin(*places[i], &t->settings.shape, &t->corpus, MODEL_NAME);
    }
    return KG_OK;
}

static enum kg_status resume(struct training *t, struct kg_error *error)
{
    const struct kg_platform_info *info = t->k->info;
    return info->n_files < 2 ? KG_OK : t->trainer.load(&t->trainer, info->files[1].data, info->files[1].size, error);
}

/* Everything that a training takes, sized before the first of it is carved. */
static enum kg_status set_up(struct training *t, struct kg_error *error)
{
    struct kg_arena *arena = &t->k->arena;
    choose_settings(t);
    enum kg_status status = t->trainer.check(&t->settings, &t->corpus, error);
    if (status == KG_OK) {
        status = split_corpus(t, error);
    }
    if (status != KG_OK) {
        return status;
    }
    uint64_t needed = t->trainer.size(&t->settings, &t->train);
    if (__builtin_add_overflow(needed, 2 * kg_arena_cost(blob_size(t)), &needed) ||
        needed > arena->size - arena->used) {
        return no_memory(t, needed, error);
    }
    status = take_blobs(t);
    if (status == KG_OK) {
        status = t->trainer.init(&t->trainer, &t->settings, &t->train, arena, error);
    }
    return status == KG_OK ? resume(t, error) : status;
}

static void send_blob(struct training *t, const char *name, const void *bytes, uint64_t size)
{
    kg_event_blob(t->k, name, t->best.step, t->best.loss, bytes, size);
}

/* Puts the present weights into the spare blob, and makes it the one that is kept. */
static void keep(struct training *t, uint64_t step, double loss)
{
    struct kg_model_data *blob = t->best.spare;
    t->trainer.export_weights(&t->trainer, kg_blob_weights(blob));
    kg_blob_finish(blob);
    t->best = (struct kept){.blob = blob, .spare = t->best.blob, .step = step, .loss = loss, .is_set = true};
}

static bool is_finite(double x)
{
    return x - x == 0;
}

static void validate(struct training *t, uint64_t step)
{
    double loss = t->trainer.eval(&t->trainer, &t->validation);
    kg_event_eval(t->k, step, loss);
    kg_print("validation after step %lu | loss %.4f\n", (unsigned long)step, loss);
    if (is_finite(loss) && (!t->best.is_set || loss < t->best.loss)) {
        keep(t, step, loss);
    }
}

static double learning_rate(const struct kg_adam *adam, uint64_t step)
{
    return adam->lr * (1 - (double)step / adam->steps);
}

static void report_step(struct training *t, uint64_t step, double loss)
{
    const struct kg_adam *adam = &t->settings.config->adam;
    uint64_t every = adam->steps / CONSOLE_LINES + 1;
    kg_event_step(t->k, step + 1, loss, learning_rate(adam, step));
    if (step % every == 0 || step + 1 == t->until) {
        kg_print("step %4lu / %4u | loss %.4f\n", (unsigned long)(step + 1), adam->steps, loss);
    }
}

static enum kg_status diverged(struct training *t, uint64_t step, struct kg_error *error)
{
    if (t->best.is_set) {
        send_blob(t, "best", t->best.blob, t->best.blob->size);
    }
    kg_error_set(error, KG_E_INPUT, "the loss of step %lu is not a finite number", (unsigned long)(step + 1));
    kg_error_hint(error, "lower lr; %s",
                  t->best.is_set ? "the last good weights have been kept" : "no weights were good");
    return KG_E_INPUT;
}

static enum kg_status train_step(struct training *t, uint64_t step, struct kg_error *error)
{
    const struct kg_train_config *config = t->settings.config;
    bool has_validation = t->validation.n_documents > 0;
    double loss = t->trainer.step(&t->trainer);
    if (!is_finite(loss)) {
        return diverged(t, step, error);
    }
    t->last_loss = loss;
    report_step(t, step, loss);
    if (has_validation && config->eval_every && (step + 1) % config->eval_every == 0 && step + 1 < t->until) {
        validate(t, step + 1);
    }
    if (!has_validation && step % (config->adam.steps / CHECKPOINTS + 1) == 0) {
        keep(t, step + 1, loss);
    }
    return KG_OK;
}

static enum kg_status train_steps(struct training *t, bool *stopped, struct kg_error *error)
{
    uint64_t step = t->trainer.steps_done(&t->trainer);
    for (; step < t->until && !(*stopped = kg_input_stopped(&t->k->input)); step++) {
        enum kg_status status = train_step(t, step, error);
        if (status != KG_OK) {
            return status;
        }
    }
    if (t->validation.n_documents > 0) {
        validate(t, step);
    }
    return KG_OK;
}

/* What the host writes: the best weights, the last, and what a later training goes on from. */
static enum kg_status send_results(struct training *t, struct kg_error *error)
{
    uint64_t size = t->trainer.state_size(&t->trainer), step = t->trainer.steps_done(&t->trainer);
    size_t used = t->k->arena.used;
    void *state = kg_arena_take(&t->k->arena, size);
    if (!state) {
        return no_memory(t, size, error);
    }
    t->trainer.save(&t->trainer, state);
    if (t->validation.n_documents == 0 || !t->best.is_set) {
        keep(t, step, t->last_loss);
    }
    struct kept best = t->best;
    send_blob(t, "best", best.blob, best.blob->size);
    t->trainer.export_weights(&t->trainer, kg_blob_weights(best.spare));
    kg_blob_finish(best.spare);
    t->best.step = step;
    t->best.loss = t->last_loss;
    send_blob(t, "last", best.spare, best.spare->size);
    send_blob(t, "state", state, size);
    t->best = best;
    kg_arena_rewind(&t->k->arena, used);
    return KG_OK;
}

static void announce(struct training *t)
{
    const struct kg_shape *shape = &t->settings.shape;
    kg_event_corpus(t->k, &t->corpus, t->train.n_documents, t->validation.n_documents);
    kg_event_training(t->k, t->trainer.name, t->trainer.batch, shape, t->settings.seed,
                      t->trainer.steps_done(&t->trainer));
    kg_print("kgpt: corpus: %'u documents, %u tokens; model: %'lu parameters; method %s, %u steps of %u documents\n",
             t->corpus.n_documents, t->corpus.n_vocab, (unsigned long)kg_layout_of(shape).n_parameters, t->trainer.name,
             t->settings.config->adam.steps, t->trainer.batch);
}

/* The trained model takes the place of the one in the image: generate, and the shell, use it. */
static enum kg_status adopt(struct training *t, struct kg_error *error)
{
    struct kgpt *k = t->k;
    enum kg_status status = kg_model_open(&k->model, t->best.blob, t->best.blob->size, error);
    if (status != KG_OK) {
        return status;
    }
    k->line_size = kg_event_line_size(&k->model);
    k->line = kg_arena_take(&k->arena, k->line_size);
    if (!k->line || kg_session_init(&k->session, &k->model, &k->ops, &k->arena) != KG_OK ||
        kg_generator_init(&k->generator, &k->session, &k->arena) != KG_OK) {
        return no_memory(t, kg_generator_size(&k->model) + kg_session_size(&k->model).kv, error);
    }
    kg_event_model(k);
    return KG_OK;
}

/* As microgpt ends: documents drawn by the generator that shuffled and initialised. */
static enum kg_status draw_samples(struct training *t, struct kg_error *error)
{
    const struct kg_config *config = &t->k->config;
    size_t size = 4 * (size_t)config->train.block_size + 1;
    char *text = kg_arena_take(&t->k->arena, size);
    if (!text) {
        return no_memory(t, size, error);
    }
    for (uint32_t i = 0; i < config->samples; i++) {
        struct kg_document document = {.index = i, .text = text};
        uint32_t n = t->trainer.sample(&t->trainer, (double)config->sampling.temperature, text, size);
        document.n = kg_strlen(text);
        document.tokens = n < config->train.block_size ? n + 1 : n; /* with the BOS that ended it */
        document.reason = n < config->train.block_size ? KG_REASON_EOS : KG_REASON_CONTEXT;
        kg_print("sample %2u: ", i + 1);
        plat_write(text, document.n);
        plat_write("\n", 1);
        kg_event_sample(t->k, &document);
    }
    return KG_OK;
}

enum kg_status kg_training_run(struct kgpt *k, struct kg_training_end *end, struct kg_error *error)
{
    static struct training training; /* beyond a comfortable stack */
    struct training *t = &training;
    memset(t, 0, sizeof *t);
    t->k = k;
    t->settings.seed = k->config.seed;
    *end = (struct kg_training_end){0};
    enum kg_status status = read_corpus(t, error);
    if (status == KG_OK) {
        status = set_up(t, error);
    }
    if (status != KG_OK) {
        return status;
    }
    announce(t);
    uint64_t first = t->trainer.steps_done(&t->trainer), start = plat_ticks();
    status = train_steps(t, &end->stopped, error);
    uint64_t us = kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
    uint64_t done = t->trainer.steps_done(&t->trainer) - first;
    if (status == KG_OK) {
        kg_print("kgpt: %s%'lu steps in %.1f ms (%.1f us a document)\n", end->stopped ? "stopped after " : "",
                 (unsigned long)done, (double)us / 1e3, done ? (double)us / (double)(done * t->trainer.batch) : 0.0);
        status = send_results(t, error);
    }
    if (status == KG_OK) {
        status = adopt(t, error);
    }
    end->sampled = t->trainer.sample && !end->stopped;
    return status == KG_OK && end->sampled ? draw_samples(t, error) : status;
}

/* The engine of a kernel for language models: see engine.h and lm.h. */
#include "lm.h"

#include "app/chat/texts.h"
#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/events/verdict.h"
#include "app/shell/reader.h"
#include "cpus.h"
#include "engine.h"
#include "module.h"

#include "kgpt/cpu.h"
#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define KG_CTX_DEFAULT 4096u
#define KG_CTX_LEAST 256u
#define KG_CTX_REPLY 1024u /* tokens of the context that a long text leaves to the conversation about it */

void kg_engine_changed(struct kgpt *k)
{
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
    kg_quant_fill(&k->lm->ops, &k->ops, k->info->cpu->features, k->config.cpumask);
}

const char *kg_engine_model_name(const struct kgpt *k)
{
    return k->lm ? k->lm->loaded.model.name : "";
}

/* 4,096 tokens, or more for a long text and an answer to it; at most as many as the model was trained for. */
static uint32_t default_context(struct kgpt *k)
{
    uint32_t most = k->lm->loaded.model.n_ctx_train, texts = kg_lm_texts_tokens(k);
    uint32_t wanted = texts > KG_CTX_DEFAULT - KG_CTX_REPLY ? texts + KG_CTX_REPLY : KG_CTX_DEFAULT;
    return wanted < most ? wanted : most;
}

static enum kg_kv_type choose_cache(const struct kgpt *k)
{
    if (k->config.lm.kv != KG_KV_AUTO) {
        return (enum kg_kv_type)k->config.lm.kv;
    }
    return kg_streq(k->lm->loaded.arch, "microgpt") ? KG_KV_F32 : KG_KV_F16;
}

/* The conversation with the model in use, and a line editor for texts of `room` bytes. */
static void carve_conversation(struct kgpt *k, const struct kg_lm_options *options, size_t room, struct kg_arena *arena)
{
    struct kg_lm *lm = k->lm;
    kg_conversation_carve(&lm->conversation, &lm->loaded, &lm->ops, &lm->workers, options, arena);
    kg_reader_carve(k, room, arena);
}

/* Into k->needs. */
static void count_memory(struct kgpt *k, const struct kg_lm_options *options)
{
    struct kg_arena counted = kg_arena_counting();
    carve_conversation(k, options, KG_LINE_MAX, &counted);
    kg_lm_texts_count(k, &counted);
    k->needs.kv = k->lm->conversation.session.kv_bytes;
    k->needs.scratch = counted.peak - k->needs.kv;
    k->needs.total = counted.peak;
}

/* The context that was asked for, or the default, halved until the memory holds it. */
static enum kg_status choose_context(struct kgpt *k, struct kg_lm_options *options, struct kg_error *error)
{
    const struct kg_lm_loaded *loaded = &k->lm->loaded;
    uint64_t free = kg_arena_left(&k->arena);
    uint32_t asked = k->config.lm.ctx, most = loaded->model.n_ctx_train;
    if (asked > most && k->lm->in_use) { /* ctx= was meant for another model */
        asked = most;
        kg_print("kgpt: a context of %u, which is what this model was trained for\n", most);
    }
    if (asked > most) {
        kg_error_set(error, KG_E_INPUT, "ctx=%u is more than the %u positions that the model was trained for", asked,
                     most);
        kg_error_hint(error, "choose at most %u", most);
        return KG_E_INPUT;
    }
    *options = (struct kg_lm_options){
        .n_ctx = asked ? asked : default_context(k), .n_batch = k->config.lm.ubatch, .kv = choose_cache(k)};
    for (;;) {
        options->n_batch = options->n_batch < options->n_ctx ? options->n_batch : options->n_ctx;
        count_memory(k, options);
        if (k->needs.total <= free || asked || options->n_ctx / 2 < KG_CTX_LEAST) {
            break;
        }
        options->n_ctx /= 2;
    }
    kg_report_memory(k);
    kg_event_memory(k);
    if (k->needs.total <= free) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_MEMORY, "a context of %u needs %s of memory besides the weights, and %s are free",
                 options->n_ctx, kg_amount(k->needs.total).text, kg_amount(free).text);
    kg_error_hint(error, "give the machine more memory%s", asked ? ", or choose a smaller ctx=" : "");
    return KG_E_MEMORY;
}

/* Bytes of the line editor: a message as long as the context, if the free memory holds it and its encoding. */
static size_t choose_room(struct kgpt *k, const struct kg_lm_options *options)
{
    const struct kg_vocab *vocab = &k->lm->loaded.vocab;
    size_t room = (size_t)options->n_ctx * vocab->longest + KG_LINE_MAX;
    for (; room > KG_LINE_MAX; room /= 2) {
        struct kg_arena counted = kg_arena_counting();
        carve_conversation(k, options, room, &counted);
        kg_lm_texts_count(k, &counted);
        kg_arena_reserve(&counted, kg_vocab_scratch(vocab, room));
        if (counted.peak <= kg_arena_left(&k->arena)) {
            return room;
        }
    }
    return KG_LINE_MAX;
}

/* Compares a module and its template with their digests, once: opening a model changes the layout of its file. */
static enum kg_status check_source(struct kgpt *k, struct kg_lm_source *source, struct kg_error *error)
{
    uint8_t digest[KG_SHA256_SIZE];
    bool known = false;
    enum kg_status status = KG_OK;
    if (source->file) {
        status = kg_module_check(k, source->file, source->digest, &known, error);
        source->sha256 = known ? source->digest : NULL;
    }
    if (status == KG_OK && source->chat_file) {
        status = kg_module_check(k, source->chat_file, digest, &known, error);
    }
    if (status == KG_OK) {
        source->file = source->chat_file = NULL;
    }
    return status;
}

/* Opens a source: header, vocabulary, weights and template. */
static enum kg_status open_source(struct kgpt *k, struct kg_lm_source *source, struct kg_error *error)
{
    struct kg_lm_loaded *loaded = &k->lm->loaded;
    enum kg_status status = check_source(k, source, error);
    if (status == KG_OK) {
        status = kg_lm_load(loaded, source->data, source->size, source->interleaved, &k->arena, error);
    }
    if (status != KG_OK) {
        return status;
    }
    source->interleaved = true; /* kg_lm_load interleaves files that are not */
    return kg_lm_load_chat(loaded, source->chat, source->chat_size, error);
}

static void report_model(struct kgpt *k)
{
    const struct kg_lm_model *model = &k->lm->loaded.model;
    k->needs.weights = model->weight_bytes;
    kg_print("kgpt: model %s: %s, %'lu parameters, %s, %'u tokens, trained for %'u\n", model->name, k->lm->loaded.arch,
             (unsigned long)model->n_parameters, kg_amount(model->weight_bytes).text, model->n_vocab,
             model->n_ctx_train);
    kg_lm_event_model(k);
}

enum kg_status kg_lm_use(struct kgpt *k, uint32_t index, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    struct kg_lm_options options;
    kg_arena_rewind(&k->arena, lm->base);
    enum kg_status status = open_source(k, &lm->sources[index], error);
    if (status == KG_OK) {
        lm->current = index;
        report_model(k);
        status = choose_context(k, &options, error);
    }
    if (status == KG_OK) {
        carve_conversation(k, &options, choose_room(k, &options), &k->arena);
        kg_conversation_fill(&lm->conversation);
        lm->in_use = true;
    }
    return status;
}

/* The bytes from `offset` on of the embedded model's blob. */
static const void *embedded(uint64_t offset)
{
    return (const uint8_t *)&kgpt_model + offset;
}

static enum kg_status add_embedded(struct kgpt *k, struct kg_error *error)
{
    const struct kg_model_data *data = &kgpt_model;
    if (data->magic != KG_MODEL_MAGIC || data->version != KG_MODEL_VERSION) {
        return kg_error_set(error, KG_E_INPUT, "the embedded model's header is damaged");
    }
    if (!kg_streq(data->arch, "gguf")) {
        return KG_OK; /* a kernel without a model */
    }
    uint32_t crc = kg_crc32_long(embedded(sizeof *data), data->size - sizeof *data);
    if (crc != data->crc32) {
        kg_error_set(error, KG_E_INPUT, "the embedded model's check sum is %08x, expected %08x", crc, data->crc32);
        kg_error_hint(error, "the image is damaged: build or copy it again");
        return KG_E_INPUT;
    }
    k->lm->sources[k->lm->n_sources++] = (struct kg_lm_source){
        .place = "image",
        .data = embedded(data->weights_offset),
        .size = data->weights_size,
        .chat = data->vocab_size ? embedded(data->vocab_offset) : NULL,
        .chat_size = data->vocab_size,
        .sha256 = data->sha256,
        .interleaved = (data->flags & KG_MODEL_INTERLEAVED) != 0,
    };
    return KG_OK;
}

/* Some loaders go on without a file that they could not read: `modules=` on the command line tells how many modules
 * there should be. */
static enum kg_status check_count(struct kgpt *k, struct kg_error *error)
{
    size_t n = k->info->n_files, wanted = k->config.lm.modules;
    if (n >= wanted) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "%zu of %zu boot modules are missing: the loader brought %s%.80s%s", wanted - n,
                 wanted, n ? "\"" : "none", n ? k->info->files[0].name : "",
                 n == 0   ? ""
                 : n == 1 ? "\""
                          : "\", …");
    kg_error_hint(error, "the loader has said why; write the medium again, or give the machine more memory");
    return KG_E_INPUT;
}

/* Boot modules: GGUF files, and behind each, if it has one, its chat template (KGCT). */
static enum kg_status add_modules(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    for (size_t i = 0; i < k->info->n_files; i++) {
        const struct kg_file *file = &k->info->files[i];
        if (kg_lm_is_text(file)) {
            continue;
        }
        bool gguf = file->size >= 4 && memcmp(file->data, "GGUF", 4) == 0;
        bool chat = file->size >= 4 && memcmp(file->data, "KGCT", 4) == 0;
        if (chat && lm->n_sources && lm->sources[lm->n_sources - 1].place == k->info->files[i - 1].name) {
            lm->sources[lm->n_sources - 1].chat = file->data;
            lm->sources[lm->n_sources - 1].chat_size = file->size;
            lm->sources[lm->n_sources - 1].chat_file = file;
        } else if (!gguf) {
            kg_error_set(error, KG_E_INPUT,
                         chat ? "the chat template \"%.80s\" came without its model"
                              : "the boot module \"%.80s\" is no GGUF file",
                         file->name);
            kg_error_hint(error, "give models as modules, each followed by its chat template if it has one");
            return KG_E_INPUT;
        } else if (lm->n_sources == KG_MAX_MODELS) {
            return kg_error_set(error, KG_E_INPUT, "there are more than %d models", KG_MAX_MODELS);
        } else {
            lm->sources[lm->n_sources++] =
                (struct kg_lm_source){.place = file->name, .data = file->data, .size = file->size, .file = file};
        }
    }
    return KG_OK;
}

/* The first model to use. A boot module was asked for in this run, so it comes before the embedded model. */
static uint32_t first_model(const struct kgpt *k, uint32_t embedded_models)
{
    uint32_t asked = k->config.lm.model;
    return asked > 1 ? asked - 1 : k->lm->n_sources > embedded_models ? embedded_models : 0;
}

static void resolve_mode(struct kgpt *k)
{
    if (k->config.mode == KG_MODE_OPEN) {
        k->config.mode = k->lm->loaded.has_chat ? KG_MODE_CHAT : KG_MODE_GENERATE;
        if (!k->lm->loaded.has_chat) {
            kg_print("kgpt: the model has no chat template: mode=generate\n");
        }
    }
}

enum kg_status kg_engine_set_up(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = k->lm = kg_arena_take(&k->arena, sizeof *k->lm);
    if (!lm) {
        return kg_error_set(error, KG_E_MEMORY, "only %zu bytes of memory are free", k->arena.size - k->arena.used);
    }
    if (k->config.mode == KG_MODE_TRAIN) {
        kg_error_set(error, KG_E_INPUT, "mode=train trains a microgpt, and this image holds a language model");
        kg_error_hint(error, "build an image for it: kgpt build --train, or use kgpt train");
        return KG_E_INPUT;
    }
    kg_cpus_start(k);
    lm->workers.run = k->workers > 1 ? plat_parallel : NULL;
    kg_engine_changed(k);
    enum kg_status status = add_embedded(k, error);
    uint32_t embedded_models = lm->n_sources;
    if (status == KG_OK) {
        status = check_count(k, error);
    }
    if (status == KG_OK) {
        status = kg_text_read(k, "system", &k->config.lm.long_system, error);
    }
    if (status == KG_OK) {
        k->config.lm.system_given = k->config.lm.system_given || k->config.lm.long_system;
        lm->base = k->arena.used;
        status = add_modules(k, error);
    }
    if (status == KG_OK && lm->n_sources == 0 && k->config.mode == KG_MODE_SELFTEST) {
        return KG_OK;
    }
    if (status == KG_OK && (lm->n_sources == 0 || k->config.lm.model > lm->n_sources)) {
        kg_error_set(error, KG_E_INPUT, "model=%u, but the number of models is %u", k->config.lm.model, lm->n_sources);
        kg_error_hint(error, "bring a model as a boot module: kgpt run IMAGE --model FILE.gguf");
        status = KG_E_INPUT;
    }
    if (status == KG_OK) {
        status = kg_lm_use(k, first_model(k, embedded_models), error);
    }
    if (status == KG_OK) {
        resolve_mode(k);
        KG_EMIT(ready, .ticks = plat_ticks() - k->info->ticks_entry);
    }
    return status;
}

static enum kg_exit run_lm_generate_mode(struct kgpt *k)
{
    struct kg_error error;
    enum kg_status status = kg_lm_generate(k, k->prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        return kg_refuse(k, &error);
    }
    return kg_enter_shell(k);
}

/* Answers the message of the command line, if there is one, and then what is typed. */
static enum kg_exit run_lm_chat_mode(struct kgpt *k)
{
    struct kg_error error;
    if (!k->lm->loaded.has_chat) {
        kg_error_set(&error, KG_E_INPUT, "the model %s has no chat template", k->lm->loaded.model.name);
        kg_error_hint(&error, "use mode=generate, or build with --chat-template NAME");
        return kg_refuse(k, &error);
    }
    if (k->prompt[0]) {
        enum kg_status status = kg_lm_chat_message(k, k->prompt, kg_strlen(k->prompt), &error);
        if (status != KG_OK && status != KG_E_STOPPED) {
            return kg_refuse(k, &error);
        }
    }
    bool answers = k->prompt[0] != '\0', listens = !k->config.exit && k->info->has_input;
    if (!k->config.exit) {
        kg_report_keyboard(k);
    }
    if (!answers && !listens) {
        kg_error_set(&error, KG_E_INPUT, "there is nothing to answer: no prompt, and nobody who types");
        kg_error_hint(&error, "give a message: prompt=TEXT (press e in the boot menu), or kgpt run --prompt TEXT");
        return kg_refuse(k, &error);
    }
    if (!listens || k->input.ended) {
        return kg_finish(k, KG_EXIT_OK, "done");
    }
    kg_lm_chat_run(k);
    return kg_finish(k, KG_EXIT_OK, "halt");
}

enum kg_exit kg_engine_run(struct kgpt *k)
{
    switch (k->config.mode) {
    case KG_MODE_CHAT: return run_lm_chat_mode(k);
    case KG_MODE_BENCH: kg_lm_bench(k); return kg_finish(k, KG_EXIT_OK, "done");
    default: return run_lm_generate_mode(k);
    }
}

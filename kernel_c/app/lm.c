/* The engine of a kernel for language models: see engine.h and lm.h. */
#include "lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/run/cpus.h"
#include "app/run/texts.h"
#include "app/verdict.h"
#include "engine.h"

#include "kgpt/cpu.h"
#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

void kg_engine_changed(struct kgpt *k)
{
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
    kg_quant_fill(&k->lm->ops, &k->ops, k->info->cpu->features, k->config.cpumask);
}

const char *kg_engine_model_name(const struct kgpt *k)
{
    return k->lm ? k->lm->loaded.model.name : "";
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
        kg_error_hint(error, "the kernel is damaged: build or copy it again");
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

/* The boot module with kind=draft. */
static enum kg_status add_draft(struct kg_lm *lm, const struct kg_file *file, struct kg_error *error)
{
    if (lm->draft_source.place) {
        kg_error_set(error, KG_E_INPUT, "\"%.80s\" is a second draft model", file->name);
        kg_error_hint(error, "give one");
        return KG_E_INPUT;
    }
    lm->draft_source = (struct kg_lm_source){.place = file->name, .data = file->data, .size = file->size, .file = file};
    return KG_OK;
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
        if (kg_file_is(file, "draft")) {
            enum kg_status status = add_draft(lm, file, error);
            if (status != KG_OK) {
                return status;
            }
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
        kg_error_set(error, KG_E_INPUT, "mode=train trains a microgpt, and this kernel holds a language model");
        kg_error_hint(error, "build a kernel for it: kgpt build --train, or use kgpt train");
        return KG_E_INPUT;
    }
    enum kg_status status = kg_lm_presume(k, error);
    if (status != KG_OK) {
        return status;
    }
    kg_cpus_start(k);
    lm->workers.run = k->workers > 1 ? plat_parallel : NULL;
    kg_engine_changed(k);
    status = add_embedded(k, error);
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
        status = kg_lm_check_rng(k, error);
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
        kg_error_set(&error, KG_E_INPUT, "there is nothing to answer: no prompt is given, and none can be typed");
        kg_error_hint(&error, "give a message: prompt=TEXT (press e in the boot menu), or kgpt run --prompt TEXT");
        return kg_refuse(k, &error);
    }
    if (!listens || k->input.ended) {
        return kg_finish(k, KG_EXIT_OK, "done");
    }
    kg_lm_chat_run(k);
    return kg_finish(k, KG_EXIT_OK, "halt");
}

static enum kg_exit run_perplexity_mode(struct kgpt *k)
{
    struct kg_error error;
    enum kg_status status = kg_lm_perplexity(k, &error);
    k->failed = k->failed || status == KG_E_NUMBERS;
    if (status != KG_OK && status != KG_E_STOPPED) {
        return kg_refuse(k, &error);
    }
    return kg_finish(k, KG_EXIT_OK, status == KG_OK ? "done" : "stopped");
}

static enum kg_exit run_jitter_mode(struct kgpt *k)
{
    struct kg_error error;
    enum kg_status status = kg_lm_jitter(k, &error);
    k->failed = k->failed || status == KG_E_NUMBERS;
    if (status != KG_OK && status != KG_E_STOPPED) {
        return kg_refuse(k, &error);
    }
    return kg_finish(k, KG_EXIT_OK, status == KG_OK ? "done" : "stopped");
}

enum kg_exit kg_engine_run(struct kgpt *k)
{
    switch (k->config.mode) {
    case KG_MODE_CHAT: return run_lm_chat_mode(k);
    case KG_MODE_BENCH: kg_lm_bench(k); return kg_finish(k, KG_EXIT_OK, "done");
    case KG_MODE_JITTER: return run_jitter_mode(k);
    case KG_MODE_PERPLEXITY: return run_perplexity_mode(k);
    default: return run_lm_generate_mode(k);
    }
}

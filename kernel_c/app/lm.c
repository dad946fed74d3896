/* The engine of a kernel for language models: see engine.h and lm.h. */
#include "lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/run/cpus.h"
#include "app/run/module.h"
#include "app/run/texts.h"
#include "app/server/server.h"
#include "app/verdict.h"
#include "engine.h"

#include "kgpt/cpu.h"
#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/str.h"

void kg_engine_changed(struct kgpt *k)
{
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
    kg_quant_fill(&k->lm->ops, &k->ops, k->info->cpu->features, k->config.cpumask);
    kg_lm_grammar_changed(k);
    kg_lm_settings_changed(k);
}

const char *kg_engine_first_model(const struct kgpt *k)
{
    const struct kg_file *model = kg_lm_first_module(k->info);
    return model ? kg_module_base(model->name) : kg_streq(kgpt_model.arch, "gguf") ? kgpt_model.name : "";
}

const char *kg_engine_model_name(const struct kgpt *k)
{
    return k->lm ? k->lm->loaded.model.name : "";
}

/* The first model to use. A boot module was asked for in this run, so it comes before the embedded model. One from a
 * server is the last. */
static uint32_t first_model(const struct kgpt *k, uint64_t asked, uint32_t embedded_models)
{
    if (kg_str_has_scheme(k->config.lm.model)) {
        return k->lm->n_sources - 1;
    }
    return asked > 1 ? (uint32_t)asked - 1 : k->lm->n_sources > embedded_models ? embedded_models : 0;
}

/* Opens the model that the run begins with. */
static enum kg_status use_first_model(struct kgpt *k, uint32_t embedded_models, struct kg_error *error)
{
    const struct kg_lm *lm = k->lm;
    const char *model = k->config.lm.model;
    uint64_t asked = 1;
    enum kg_status status = KG_OK;
    if (kg_str_has_scheme(model)) {
        status = kg_lm_load_file(k, model, error);
    } else if (*model) {
        kg_parse_u64(model, &asked);
    }
    if (status == KG_OK && (lm->n_sources == 0 || asked > lm->n_sources)) {
        kg_error_set(error, KG_E_INPUT, "model=%lu, but the number of models is %u", (unsigned long)asked,
                     lm->n_sources);
        kg_error_hint(error, "bring a model as a boot module: kgpt run IMAGE --model FILE.gguf");
        status = KG_E_INPUT;
    }
    return status == KG_OK ? kg_lm_use(k, first_model(k, asked, embedded_models), error) : status;
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
    lm->arena_end = k->arena.size;
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
    status = kg_lm_add_embedded(k, error);
    uint32_t embedded_models = lm->n_sources;
    if (status == KG_OK) {
        status = kg_text_read(k, "system", &k->config.lm.long_system, error);
    }
    if (status == KG_OK) {
        status = kg_text_read(k, "grammar", &k->config.lm.long_grammar, error);
    }
    if (status == KG_OK) {
        status = kg_text_read(k, "key", &k->config.lm.key_text, error);
    }
    if (status == KG_OK) {
        k->config.lm.system_given = k->config.lm.system_given || k->config.lm.long_system;
        lm->base = k->arena.used;
        status = kg_lm_add_modules(k, error);
    }
    if (status == KG_OK && lm->n_sources == 0 && k->config.mode == KG_MODE_SELFTEST) {
        return KG_OK;
    }
    if (status == KG_OK) {
        status = use_first_model(k, embedded_models, error);
    }
    if (status == KG_OK) {
        status = kg_lm_check_rng(k, error);
    }
    if (status == KG_OK) {
        kg_lm_settings_begin(k);
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
    bool answers = k->prompt[0] != '\0', listens = !k->config.exit && (k->info->has_input || plat_awaits_keyboard());
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

const char *kg_engine_piece(struct kgpt *k, uint32_t token, size_t *n)
{
    struct kg_conversation *c = &k->lm->conversation;
    *n = kg_vocab_piece(&c->loaded->vocab, token, c->piece, true);
    return c->piece;
}

void kg_engine_obeys(struct kgpt *k)
{
    (void)k;
    plat_picture_close(); /* of explain */
}

/* A mode that computes something, sends it, and ends. */
static enum kg_exit run_to_end(struct kgpt *k, enum kg_status (*task)(struct kgpt *, struct kg_error *))
{
    struct kg_error error;
    enum kg_status status = task(k, &error);
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
    case KG_MODE_JITTER: return run_to_end(k, kg_lm_jitter);
    case KG_MODE_PERPLEXITY: return run_to_end(k, kg_lm_perplexity);
    case KG_MODE_SERVE: return run_to_end(k, kg_server_run);
    case KG_MODE_EXPLAIN: return run_to_end(k, kg_lm_explain);
    case KG_MODE_PREFILL: return run_to_end(k, kg_lm_prefill);
    default: return run_lm_generate_mode(k);
    }
}

/* The engine of a kernel with a microgpt: see engine.h. */
#include "engine.h"

#include "app/cmdline/keys.h"
#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/run/generation.h"
#include "app/run/texts.h"
#include "app/shell/reader.h"
#include "app/training/training.h"
#include "app/verdict.h"

#include "kgpt/str.h"

const struct kg_key kg_engine_keys[] = {{0}};

void kg_engine_defaults(struct kg_config *config)
{
    (void)config; /* kg_config_defaults are the defaults of a microgpt */
}

void kg_engine_changed(struct kgpt *k)
{
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
}

const char *kg_engine_first_model(const struct kgpt *k)
{
    (void)k;
    return kgpt_model.name;
}

const char *kg_engine_model_name(const struct kgpt *k)
{
    return k->model.data->name;
}

const char *kg_engine_piece(struct kgpt *k, uint32_t token, size_t *n)
{
    const char *text = kg_tokenizer_decode(&k->model.tokenizer, token, n);
    static const char bos[] = "<BOS>";
    if (token != k->model.tokenizer.bos_id) {
        return text;
    }
    *n = sizeof bos - 1;
    return bos;
}

void kg_engine_obeys(struct kgpt *k)
{
    (void)k; /* nothing of this engine stays on the screen */
}

static enum kg_status open_embedded_model(struct kgpt *k, struct kg_error *error)
{
    /* The model follows its header in memory: the header and its checksum give the size. */
    enum kg_status status = kg_model_open(&k->model, &kgpt_model, UINT64_MAX, error);
    if (status == KG_OK) {
        kg_report_model(k);
        kg_event_model(k);
    }
    return status;
}

/* Carves all that a microgpt needs. A counting arena computes the size first, so that too little memory is one clear
 * error. */
static void carve_microgpt(struct kgpt *k, struct kg_arena *arena)
{
    kg_reader_carve(k, KG_LINE_MAX, arena);
    kg_session_carve(&k->session, &k->model, &k->ops, arena);
    kg_generator_carve(&k->generator, &k->session, arena);
}

static enum kg_status count_memory(struct kgpt *k, struct kg_error *error)
{
    struct kg_arena counted = kg_arena_counting();
    carve_microgpt(k, &counted);
    k->needs.weights = k->model.data->weights_size;
    k->needs.kv = k->session.kv_bytes;
    k->needs.scratch = counted.used - k->needs.kv;
    k->needs.total = counted.used;
    kg_report_memory(k);
    kg_event_memory(k);
    if (k->needs.total <= kg_arena_left(&k->arena)) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_MEMORY, "the model needs %s of memory besides its weights, and %s are free",
                 kg_amount(k->needs.total).text, kg_amount(kg_arena_left(&k->arena)).text);
    kg_error_hint(error, "give the machine more memory");
    return KG_E_MEMORY;
}

/* A kernel that cannot train accepts only a prompt as boot module. */
static enum kg_status check_files(const struct kg_platform_info *info, struct kg_error *error)
{
    for (size_t i = 0; i < info->n_files && !kg_can_train; i++) {
        if (!kg_file_is(&info->files[i], "prompt")) {
            kg_error_set(error, KG_E_INPUT, "this kernel holds a microgpt, and cannot use the boot module \"%.80s\"",
                         info->files[i].name);
            kg_error_hint(error, "leave it out, or build a kernel for it: kgpt build --lm, --train");
            return KG_E_INPUT;
        }
    }
    return KG_OK;
}

enum kg_status kg_engine_set_up(struct kgpt *k, struct kg_error *error)
{
    enum kg_mode mode = k->config.mode;
    if (mode >= KG_MODE_CHAT && mode < KG_MODE_OPEN) {
        kg_error_set(error, KG_E_INPUT, "mode=%s needs a language model, and this kernel holds a microgpt",
                     kg_mode_names[mode]);
        kg_error_hint(error, "build a kernel of one: kgpt build MODEL.gguf");
        return KG_E_INPUT;
    }
    enum kg_status status = check_files(k->info, error);
    if (status == KG_OK) {
        status = open_embedded_model(k, error);
    }
    if (status == KG_OK) {
        status = count_memory(k, error);
    }
    if (status == KG_OK) {
        carve_microgpt(k, &k->arena);
        KG_EMIT(ready, .ticks = plat_ticks() - k->info->ticks_entry);
    }
    return status;
}

static enum kg_exit run_generate_mode(struct kgpt *k)
{
    struct kg_error error;
    enum kg_status status = kg_generation_run(k, k->prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        return kg_refuse(k, &error);
    }
    return kg_enter_shell(k);
}

/* Trains, then shows samples. Ctrl-C ends the training; the samples still follow. */
static enum kg_exit run_train_mode(struct kgpt *k)
{
    struct kg_error error;
    struct kg_training_end end;
    if (kg_training_run(k, &end, &error) != KG_OK) {
        return kg_refuse(k, &error);
    }
    if (end.stopped && k->config.exit) {
        return kg_finish(k, KG_EXIT_OK, "stopped");
    }
    return end.sampled ? kg_enter_shell(k) : run_generate_mode(k);
}

enum kg_exit kg_engine_run(struct kgpt *k)
{
    return k->config.mode == KG_MODE_TRAIN ? run_train_mode(k) : run_generate_mode(k);
}

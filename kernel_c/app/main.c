/* The run, as a table of contents: announce the machine, read the command line, check model and memory, carve the
 * memory, and do what was asked. Whatever is refused ends the run with KG_EXIT_REFUSED and a reason. */
#include "cpus.h"
#include "events.h"
#include "generation.h"
#include "print.h"
#include "report.h"
#include "selftest.h"
#include "shell.h"
#include "training.h"

#include "kgpt/mem.h"

static struct kgpt state; /* the one object that holds what changes; everything else gets it as an argument */

static enum kg_status open_channel(struct kgpt *k, struct kg_error *error)
{
    kg_arena_init(&k->arena, k->info->arena, k->info->arena_size);
    k->line_size = KG_EVENT_LINE_MIN;
    k->line = kg_arena_take(&k->arena, k->line_size);
    if (!k->line) {
        return kg_error_set(error, KG_E_MEMORY, "only %zu bytes of memory are free", k->info->arena_size);
    }
    kg_event_boot(k);
    return KG_OK;
}

static enum kg_status read_cmdline(struct kgpt *k, struct kg_error *error)
{
    kg_config_defaults(&k->config);
    enum kg_status status = kg_cmdline_parse(&k->config, kgpt_build_cmdline, error);
    if (status == KG_OK) {
        status = kg_cmdline_parse(&k->config, k->info->cmdline, error);
    }
    if (status == KG_OK && k->config.mode == KG_MODE_SHELL && !k->info->has_input) {
        kg_error_set(error, KG_E_INPUT, "mode=shell needs something to type on, and there is no serial port");
        kg_error_hint(error, "give the machine a serial port, or use mode=generate");
        return KG_E_INPUT;
    }
    return status;
}

static enum kg_status announce(struct kgpt *k, struct kg_error *error)
{
    (void)error;
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
    kg_report_boot(k);
    kg_event_cpu(k);
    return KG_OK;
}

static enum kg_status open_model(struct kgpt *k, struct kg_error *error)
{
    /* The linker, or `kgpt pack`, has put the whole model there: its header and its check sum say how far it goes. */
    enum kg_status status = kg_model_open(&k->model, &kgpt_model, UINT64_MAX, error);
    if (status == KG_OK) {
        kg_report_model(k);
        kg_event_model(k);
    }
    return status;
}

static void size_memory(struct kgpt *k)
{
    struct kg_session_size session = kg_session_size(&k->model);
    uint64_t scratch = kg_generator_size(&k->model) + kg_arena_cost(kg_event_line_size(&k->model));
    k->needs.weights = k->model.data->weights_size;
    k->needs.kv = session.kv;
    if (__builtin_add_overflow(session.scratch, scratch, &k->needs.scratch) ||
        __builtin_add_overflow(k->needs.kv, k->needs.scratch, &k->needs.total)) {
        k->needs.total = UINT64_MAX;
    }
}

/* Sized before anything is carved, so that too little memory is one clear sentence. */
static enum kg_status check_memory(struct kgpt *k, struct kg_error *error)
{
    size_memory(k);
    kg_report_memory(k);
    kg_event_memory(k);
    if (k->needs.total <= k->arena.size - k->arena.used) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_MEMORY, "the model needs %s of memory besides its weights, and %s are free",
                 kg_amount(k->needs.total).text, kg_amount(k->arena.size - k->arena.used).text);
    kg_error_hint(error, "give the machine more memory");
    return KG_E_MEMORY;
}

static enum kg_status carve_memory(struct kgpt *k, struct kg_error *error)
{
    k->line_size = kg_event_line_size(&k->model);
    k->line = kg_arena_take(&k->arena, k->line_size);
    if (k->line && kg_session_init(&k->session, &k->model, &k->ops, &k->arena) == KG_OK &&
        kg_generator_init(&k->generator, &k->session, &k->arena) == KG_OK) {
        kg_event_ready(k, plat_ticks() - k->info->ticks_entry);
        return KG_OK;
    }
    return kg_error_set(error, KG_E_MEMORY, "the memory was sized too small: this is a defect of kgpt");
}

static enum kg_status set_up(struct kgpt *k, struct kg_error *error)
{
    enum kg_status (*const steps[])(struct kgpt *, struct kg_error *) = {
        open_channel, read_cmdline, announce, open_model, check_memory, carve_memory,
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum kg_status status = steps[i](k, error);
        if (status != KG_OK) {
            return status;
        }
    }
    return KG_OK;
}

static enum kg_exit finish(struct kgpt *k, enum kg_exit code, const char *reason)
{
    kg_event_exit(k, code, reason);
    return code;
}

static enum kg_exit refuse(struct kgpt *k, const struct kg_error *error)
{
    kg_print_error(error);
    kg_event_error(k, error);
    return finish(k, KG_EXIT_REFUSED, "refused");
}

static enum kg_exit enter_shell(struct kgpt *k)
{
    if (k->config.exit || !k->info->has_input) {
        return finish(k, KG_EXIT_OK, "done");
    }
    kg_shell_run(k);
    return finish(k, KG_EXIT_OK, "halt");
}

static enum kg_exit run_generate(struct kgpt *k)
{
    struct kg_error error;
    enum kg_status status = kg_generation_run(k, k->config.prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        return refuse(k, &error);
    }
    return enter_shell(k);
}

/* Train, then show what was learned. Ctrl-C ends the training, not the results. */
static enum kg_exit run_train(struct kgpt *k)
{
    struct kg_error error;
    struct kg_training_end end;
    if (kg_training_run(k, &end, &error) != KG_OK) {
        return refuse(k, &error);
    }
    if (end.stopped && k->config.exit) {
        return finish(k, KG_EXIT_OK, "stopped");
    }
    return end.sampled ? enter_shell(k) : run_generate(k);
}

static enum kg_exit run_selftest(struct kgpt *k)
{
    struct kg_error error;
    uint32_t failed;
    if (kg_selftest_run(k, k->config.test, &failed, &error) != KG_OK) {
        return refuse(k, &error);
    }
    return finish(k, failed ? KG_EXIT_FAILED : KG_EXIT_OK, "selftest");
}

enum kg_exit kg_main(const struct kg_platform_info *info)
{
    struct kgpt *k = &state;
    struct kg_error error;
    memset(k, 0, sizeof *k);
    k->info = info;
    if (set_up(k, &error) != KG_OK) {
        return refuse(k, &error);
    }
    if (k->config.fault[0] && !plat_fault(k->config.fault)) {
        kg_error_set(&error, KG_E_INPUT, "fault=%s is not possible on this platform", k->config.fault);
        return refuse(k, &error);
    }
    if (k->config.cpus && k->config.mode != KG_MODE_TRAIN) { /* a training starts them itself, if it wants them */
        kg_cpus_start(k);
    }
    switch (k->config.mode) {
    case KG_MODE_SELFTEST: return run_selftest(k);
    case KG_MODE_SHELL: return enter_shell(k);
    case KG_MODE_TRAIN: return run_train(k);
    default: return run_generate(k);
    }
}

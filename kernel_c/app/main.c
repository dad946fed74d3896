/* The top level of a run: announce the machine, read the command line, check model and memory, allocate the memory,
 * run the mode. Any refusal ends the run with KG_EXIT_REFUSED and a reason. */
#include "app/cmdline/keys.h"
#include "app/events/events.h"
#include "app/events/report.h"
#include "app/events/statusline.h"
#include "app/run/cpus.h"
#include "app/run/selftest.h"
#include "app/run/texts.h"
#include "app/verdict.h"
#include "engine.h"

#include "kgpt/mem.h"

#define LEAST_MEMORY 65536 /* bytes; the needs of the model are checked later */

static struct kgpt state; /* the only global state; other code receives it as an argument */

static enum kg_status find_memory(struct kgpt *k, struct kg_error *error)
{
    kg_event_boot(k);
    kg_arena_init(&k->arena, k->info->arena, k->info->arena_size);
    if (k->info->arena_is_zero) {
        kg_arena_is_zero(&k->arena);
    }
    if (k->info->arena_size < LEAST_MEMORY) {
        return kg_error_set(error, KG_E_MEMORY, "only %zu bytes of memory are free", k->info->arena_size);
    }
    return KG_OK;
}

static enum kg_status read_cmdline(struct kgpt *k, struct kg_error *error)
{
    kg_config_defaults(&k->config);
    kg_engine_defaults(&k->config);
    if (k->info->excess) {
        kg_error_set(error, KG_E_INPUT, "%s", k->info->excess);
        kg_error_hint(error, "shorten what the loader is told");
        return KG_E_INPUT;
    }
    enum kg_status status = kg_cmdline_parse(&k->config, kgpt_build_cmdline, error);
    if (status == KG_OK) {
        status = kg_cmdline_parse(&k->config, k->info->cmdline, error);
    }
    plat_pci_use((enum kg_pci_use)k->config.pci);
    if (k->config.usb) {
        plat_usb_off();
    }
    if (k->config.lm.net) {
        plat_net_off();
    }
    if (k->config.disk) {
        plat_disks_off();
    }
    if (status == KG_OK && k->config.mode == KG_MODE_SHELL && !(k->info->has_input || plat_awaits_keyboard())) {
        kg_error_set(error, KG_E_INPUT,
                     "mode=shell needs something to type on: no keyboard and no serial port answered");
        kg_error_hint(error, "plug in a keyboard, or press e in the boot menu, and use mode=generate");
        return KG_E_INPUT;
    }
    if (status == KG_OK && !plat_keymap(kg_keymap_names[k->config.keymap])) {
        kg_error_set(error, KG_E_INPUT, "this kernel has no keymap=%s", kg_keymap_names[k->config.keymap]);
        kg_error_hint(error, "kernels for language models have it");
        return KG_E_INPUT;
    }
    if (k->config.clock[0]) {
        plat_clock_use(k->config.clock);
    }
    k->prompt = k->config.prompt;
    return status == KG_OK ? kg_text_read(k, "prompt", &k->prompt, error) : status;
}

static enum kg_status announce(struct kgpt *k, struct kg_error *error)
{
    (void)error;
    if (k->config.screen != KG_SCREEN_AUTO || k->config.scale) {
        plat_screen_use((enum kg_screen_use)k->config.screen, k->config.scale);
    }
    if (k->config.output != KG_OUTPUT_AUTO || k->config.columns) {
        plat_output((enum kg_output)k->config.output, k->config.columns);
    }
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
    kg_start_screen(k);
    kg_report_boot(k);
    kg_event_cpu(k);
    return KG_OK;
}

static enum kg_status set_up_run(struct kgpt *k, struct kg_error *error)
{
    enum kg_status (*const steps[])(struct kgpt *, struct kg_error *) = {
        find_memory,
        read_cmdline,
        announce,
        kg_engine_set_up,
    };
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        enum kg_status status = steps[i](k, error);
        if (status != KG_OK) {
            return status;
        }
    }
    return KG_OK;
}

static enum kg_exit run_selftest_mode(struct kgpt *k)
{
    struct kg_error error;
    uint32_t failed;
    if (kg_selftest_run(k, k->config.test, &failed, &error) != KG_OK) {
        return kg_refuse(k, &error);
    }
    return kg_finish(k, failed ? KG_EXIT_FAILED : KG_EXIT_OK, "selftest");
}

enum kg_exit kg_main(const struct kg_platform_info *info)
{
    struct kgpt *k = &state;
    struct kg_error error;
    memset(k, 0, sizeof *k);
    k->info = info;
    if (set_up_run(k, &error) != KG_OK) {
        return kg_refuse(k, &error);
    }
    if (k->config.fault[0] && !plat_fault(k->config.fault)) {
        kg_error_set(&error, KG_E_INPUT, "fault=%s is not possible on this platform", k->config.fault);
        return kg_refuse(k, &error);
    }
    if (k->config.cpus && k->config.mode != KG_MODE_TRAIN) { /* a training starts the processors itself */
        kg_cpus_start(k);
    }
    kg_statusline(k, "ready");
    switch (k->config.mode) {
    case KG_MODE_SELFTEST: return run_selftest_mode(k);
    case KG_MODE_SHELL: return kg_enter_shell(k);
    default: return kg_engine_run(k);
    }
}

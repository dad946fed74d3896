/* The shell on the console, and the commands that every kernel has. */
#include "shell.h"

#include "app/engine.h"
#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/report.h"
#include "app/run/selftest.h"
#include "kgpt/str.h"
#include "reader.h"

#define KG_SHELL_PROMPT "kgpt> "

static void print_settings(const struct kg_config *config)
{
    char value[256];
    const char *key;
    for (uint32_t i = 0; (key = kg_config_describe(config, i, value, sizeof value)); i++) {
        kg_print("%-12s %s\n", key, value);
    }
}

void kg_shell_set(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    if (!*arguments) {
        print_settings(&k->config);
        return;
    }
    char *value = kg_cut_word(arguments);
    if (kg_config_set(&k->config, arguments, value, &error) != KG_OK) {
        kg_say_refused(&error);
    } else if (kg_streq(arguments, "prompt")) {
        k->prompt = k->config.prompt;
    }
    kg_engine_changed(k);
}

static enum kg_next run_set(struct kgpt *k, char *arguments)
{
    kg_shell_set(k, arguments);
    return KG_NEXT_LINE;
}

static enum kg_next run_explain(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    enum kg_status status = kg_engine_explain(k, *arguments ? arguments : k->prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        kg_say_refused(&error);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_mem(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_describe_memory(k);
    return KG_NEXT_LINE;
}

static enum kg_next run_cpu(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_describe_cpu(k);
    return KG_NEXT_LINE;
}

static enum kg_next run_selftest(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    uint32_t failed;
    if (kg_selftest_run(k, arguments, &failed, &error) != KG_OK) {
        kg_say_refused(&error);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_reboot(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    kg_event_exit(KG_EXIT_OK, "reboot");
    plat_reboot();
}

static enum kg_next run_halt(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    return KG_NEXT_HALT;
}

static enum kg_next run_help(struct kgpt *k, char *arguments);

const struct kg_command kg_shell_commands[] = {
    {"explain", "[text]", "how the model reads a text: attention, and what it would say next", run_explain, NULL,
     KG_SHELL},
    {"set", "[key value]", "change a setting; without a key, show them all", run_set, NULL, KG_SHELL_AND_CHAT},
    {"mem", "", "the memory, and what it is used for", run_mem, NULL, KG_SHELL},
    {"cpu", "", "the processor, its features and the instruction set in use", run_cpu, NULL, KG_SHELL},
    {"selftest", "[name]", "run the self-tests, or those of one suite or name", run_selftest, NULL, KG_SHELL},
    {"reboot", "", "start the machine again", run_reboot, NULL, KG_SHELL_AND_CHAT},
    {"halt", "", "end the run and switch off; Ctrl-D does the same", run_halt, NULL, KG_SHELL},
    {"help", "[command]", "this list, or one command of it", run_help, NULL, KG_SHELL},
    {0},
};

/* The engine's commands come first. */
static const struct kg_command *const tables[] = {kg_engine_commands, kg_device_commands, kg_card_commands,
                                                  kg_shell_commands, NULL};
static const struct kg_commands commands = {.tables = tables, .sign = "", .where = KG_SHELL};

static enum kg_next run_help(struct kgpt *k, char *arguments)
{
    kg_commands_help(&commands, k, arguments);
    return KG_NEXT_LINE;
}

void kg_shell_run(struct kgpt *k)
{
    for (;;) {
        kg_reader_begin(k, KG_SHELL_PROMPT, KG_READ_LINE);
        enum kg_read read = kg_reader_read(k, &commands);
        if (read == KG_READ_CLOSED) {
            return;
        }
        if (read == KG_READ_DROPPED) {
            continue;
        }
        kg_lineedit_remember(&k->edit, k->edit.line);
        kg_engine_obeys(k);
        if (kg_commands_obey(&commands, k, k->edit.line) == KG_NEXT_HALT) {
            return;
        }
    }
}

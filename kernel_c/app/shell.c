/* The shell on the console: one table of commands. */
#include "shell.h"

#include "engine.h"
#include "events.h"
#include "kgpt/str.h"
#include "print.h"
#include "report.h"
#include "selftest.h"

#define KG_SHELL_PROMPT "kgpt> "

void kg_shell_refuse(struct kgpt *k, const struct kg_error *error)
{
    kg_print_error(error);
    kg_event_error(k, error);
}

/* Cuts the first word off `text`: ends it with NUL and returns where the next begins. */
char *kg_shell_cut_word(char *text)
{
    while (*text && *text != ' ') {
        text++;
    }
    while (*text == ' ') {
        *text++ = '\0';
    }
    return text;
}

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
    char *value = kg_shell_cut_word(arguments);
    if (kg_config_set(&k->config, arguments, value, &error) != KG_OK) {
        kg_shell_refuse(k, &error);
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
        kg_shell_refuse(k, &error);
    }
    return KG_NEXT_LINE;
}

static enum kg_next run_reboot(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_event_exit(k, KG_EXIT_OK, "reboot");
    plat_reboot();
}

static enum kg_next run_halt(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    return KG_NEXT_HALT;
}

static enum kg_next run_help(struct kgpt *k, char *arguments);

static const struct kg_command commands[] = {
    {"set", "[key value]", "change a setting; without a key, show them all", run_set},
    {"mem", "", "the memory, and what it is used for", run_mem},
    {"cpu", "", "the processor, its features and the instruction set in use", run_cpu},
    {"selftest", "[name]", "run the self-tests, or those of one suite or name", run_selftest},
    {"reboot", "", "start the machine again", run_reboot},
    {"halt", "", "end the run and switch off; Ctrl-D does the same", run_halt},
    {"help", "[command]", "this list, or one command of it", run_help},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])
#define MOST_COMMANDS 32 /* the engine's and these, for suggestions */

/* The engine's commands first. */
static const struct kg_command *command_at(size_t i)
{
    return i < kg_n_engine_commands ? &kg_engine_commands[i] : &commands[i - kg_n_engine_commands];
}

static size_t n_commands(void)
{
    return kg_n_engine_commands + N_COMMANDS;
}

static void unknown_command(struct kgpt *k, const char *name)
{
    struct kg_error error;
    const char *names[MOST_COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < n_commands() && i < MOST_COMMANDS; i++) {
        names[i] = command_at(i)->name;
    }
    kg_error_set(&error, KG_E_INPUT, "unknown command \"%.64s\"", name);
    const char *meant = kg_suggest(name, names);
    if (meant) {
        kg_error_hint(&error, "did you mean \"%s\"?", meant);
    } else {
        kg_error_hint(&error, "\"help\" lists the commands");
    }
    kg_shell_refuse(k, &error);
}

static const struct kg_command *find_command(const char *name)
{
    for (size_t i = 0; i < n_commands(); i++) {
        if (kg_streq(command_at(i)->name, name)) {
            return command_at(i);
        }
    }
    return NULL;
}

static enum kg_next run_help(struct kgpt *k, char *arguments)
{
    const struct kg_command *only = *arguments ? find_command(arguments) : NULL;
    if (*arguments && !only) {
        unknown_command(k, arguments);
        return KG_NEXT_LINE;
    }
    for (size_t i = 0; i < n_commands(); i++) {
        const struct kg_command *c = command_at(i);
        if (!only || c == only) {
            kg_print("%-8s %-11s  %s\n", c->name, c->arguments, c->help);
        }
    }
    return KG_NEXT_LINE;
}

/* Refuses words after a command that takes none, instead of doing something that was not meant. */
static bool takes_arguments(struct kgpt *k, const struct kg_command *command, const char *arguments)
{
    struct kg_error error;
    if (!*arguments || *command->arguments) {
        return true;
    }
    kg_error_set(&error, KG_E_INPUT, "%s takes no arguments, but found \"%.64s\"", command->name, arguments);
    kg_shell_refuse(k, &error);
    return false;
}

static enum kg_next obey(struct kgpt *k, char *line)
{
    while (*line == ' ') {
        line++;
    }
    size_t n = kg_strlen(line);
    while (n > 0 && line[n - 1] == ' ') {
        line[--n] = '\0';
    }
    if (n == 0) {
        return KG_NEXT_LINE;
    }
    char *arguments = kg_shell_cut_word(line);
    const struct kg_command *command = find_command(line);
    if (!command) {
        unknown_command(k, line);
        return KG_NEXT_LINE;
    }
    return takes_arguments(k, command, arguments) ? command->run(k, arguments) : KG_NEXT_LINE;
}

/* One line of input into k->edit.line; false at the end of the input. A last line without an Enter counts. */
static bool read_line(struct kgpt *k)
{
    kg_lineedit_begin(&k->edit, KG_SHELL_PROMPT);
    kg_event_shell(k, KG_SHELL_PROMPT);
    for (;;) {
        int byte = kg_input_byte(&k->input);
        enum kg_edit result = byte < 0 ? KG_EDIT_END : kg_lineedit_feed(&k->edit, (unsigned char)byte);
        switch (result) {
        case KG_EDIT_MORE: break;
        case KG_EDIT_LINE: return true;
        case KG_EDIT_INTERRUPTED: kg_lineedit_begin(&k->edit, KG_SHELL_PROMPT); break;
        case KG_EDIT_END: plat_write("\n", 1); return k->edit.n > 0 && !k->input.ended;
        }
    }
}

void kg_shell_run(struct kgpt *k)
{
    kg_lineedit_init(&k->edit, kg_print_typed);
    while (read_line(k)) {
        if (obey(k, k->edit.line) == KG_NEXT_HALT) {
            return;
        }
    }
}

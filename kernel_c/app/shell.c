/* The shell on the console: one table of commands. */
#include "shell.h"

#include "bench.h"
#include "events.h"
#include "generation.h"
#include "kgpt/str.h"
#include "print.h"
#include "report.h"
#include "selftest.h"
#include "training.h"

#define KG_SHELL_PROMPT "kgpt> "

enum next {
    NEXT_LINE,
    NEXT_HALT,
};

struct command {
    const char *name;
    const char *arguments;
    const char *help;
    enum next (*run)(struct kgpt *k, char *arguments); /* `arguments` may be cut up */
};

static void refuse(struct kgpt *k, const struct kg_error *error)
{
    kg_print_error(error);
    kg_event_error(k, error);
}

/* Cuts the first word off `text`: ends it with NUL and returns where the next begins. */
static char *cut_word(char *text)
{
    while (*text && *text != ' ') {
        text++;
    }
    while (*text == ' ') {
        *text++ = '\0';
    }
    return text;
}

static enum next run_generate(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    enum kg_status status = kg_generation_run(k, *arguments ? arguments : k->config.prompt, &error);
    if (status != KG_OK && status != KG_E_STOPPED) {
        refuse(k, &error);
    }
    return NEXT_LINE;
}

static void print_settings(const struct kg_config *config)
{
    char value[256];
    const char *key;
    for (uint32_t i = 0; (key = kg_config_describe(config, i, value, sizeof value)); i++) {
        kg_print("%-12s %s\n", key, value);
    }
}

static enum next run_set(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    if (!*arguments) {
        print_settings(&k->config);
        return NEXT_LINE;
    }
    char *value = cut_word(arguments);
    if (kg_config_set(&k->config, arguments, value, &error) != KG_OK) {
        refuse(k, &error);
    }
    kg_ops_fill(&k->ops, k->info->cpu->features, k->config.cpumask);
    return NEXT_LINE;
}

static enum next run_model(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_describe_model(k);
    return NEXT_LINE;
}

static enum next run_mem(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_describe_memory(k);
    return NEXT_LINE;
}

static enum next run_cpu(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_describe_cpu(k);
    return NEXT_LINE;
}

static enum next run_bench(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_bench_run(k);
    return NEXT_LINE;
}

static enum next run_selftest(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    uint32_t failed;
    if (kg_selftest_run(k, arguments, &failed, &error) != KG_OK) {
        refuse(k, &error);
    }
    return NEXT_LINE;
}

/* The words hold for this training only: the next one begins with the settings of the boot again. */
static enum next run_train(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    struct kg_training_end end;
    struct kg_config config = k->config;
    enum kg_status status = kg_config_train_words(&k->config, arguments, &error);
    if (status == KG_OK) {
        status = kg_training_run(k, &end, &error);
    }
    if (status != KG_OK) {
        refuse(k, &error);
    }
    k->config = config;
    return NEXT_LINE;
}

static enum next run_loss(struct kgpt *k, char *arguments)
{
    struct kg_error error;
    double loss;
    uint32_t n;
    enum kg_status status = *arguments ? kg_training_loss(k, arguments, &loss, &n, &error) : kg_training_losses(&error);
    if (status != KG_OK) {
        refuse(k, &error);
    } else if (*arguments) {
        kg_print("loss %.4f, the mean over %u tokens\n", loss, n);
    }
    return NEXT_LINE;
}

static enum next run_reboot(struct kgpt *k, char *arguments)
{
    (void)arguments;
    kg_event_exit(k, KG_EXIT_OK, "reboot");
    plat_reboot();
}

static enum next run_halt(struct kgpt *k, char *arguments)
{
    (void)k;
    (void)arguments;
    return NEXT_HALT;
}

static enum next run_help(struct kgpt *k, char *arguments);

static const struct command commands[] = {
    {"generate", "[prompt]", "generate samples that begin with the prompt; Ctrl-C stops", run_generate},
    {"train", "[key=value]", "train on the corpus, with settings as on the command line; Ctrl-C stops", run_train},
    {"loss", "[text]", "the losses of the training, or the model's loss on a text", run_loss},
    {"set", "[key value]", "change a setting; without a key, show them all", run_set},
    {"model", "", "the embedded model: its sizes and its vocabulary", run_model},
    {"mem", "", "the memory, and what it is used for", run_mem},
    {"cpu", "", "the processor, its features and the instruction set in use", run_cpu},
    {"bench", "", "measure the speed of generation", run_bench},
    {"selftest", "[name]", "run the self-tests, or those of one suite or name", run_selftest},
    {"reboot", "", "start the machine again", run_reboot},
    {"halt", "", "end the run; Ctrl-D does the same", run_halt},
    {"help", "[command]", "this list, or one command of it", run_help},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static void unknown_command(struct kgpt *k, const char *name)
{
    struct kg_error error;
    const char *names[N_COMMANDS + 1];
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
    }
    names[N_COMMANDS] = NULL;
    kg_error_set(&error, KG_E_INPUT, "unknown command \"%.64s\"", name);
    const char *meant = kg_suggest(name, names);
    if (meant) {
        kg_error_hint(&error, "did you mean \"%s\"?", meant);
    } else {
        kg_error_hint(&error, "\"help\" lists the commands");
    }
    refuse(k, &error);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (kg_streq(commands[i].name, name)) {
            return &commands[i];
        }
    }
    return NULL;
}

static enum next run_help(struct kgpt *k, char *arguments)
{
    const struct command *only = *arguments ? find_command(arguments) : NULL;
    if (*arguments && !only) {
        unknown_command(k, arguments);
        return NEXT_LINE;
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const struct command *c = &commands[i];
        if (!only || c == only) {
            kg_print("%-8s %-11s  %s\n", c->name, c->arguments, c->help);
        }
    }
    return NEXT_LINE;
}

/* Refuses words after a command that takes none, instead of doing something that was not meant. */
static bool takes_arguments(struct kgpt *k, const struct command *command, const char *arguments)
{
    struct kg_error error;
    if (!*arguments || *command->arguments) {
        return true;
    }
    kg_error_set(&error, KG_E_INPUT, "%s takes no arguments, but found \"%.64s\"", command->name, arguments);
    refuse(k, &error);
    return false;
}

static enum next obey(struct kgpt *k, char *line)
{
    while (*line == ' ') {
        line++;
    }
    size_t n = kg_strlen(line);
    while (n > 0 && line[n - 1] == ' ') {
        line[--n] = '\0';
    }
    if (n == 0) {
        return NEXT_LINE;
    }
    char *arguments = cut_word(line);
    const struct command *command = find_command(line);
    if (!command) {
        unknown_command(k, line);
        return NEXT_LINE;
    }
    return takes_arguments(k, command, arguments) ? command->run(k, arguments) : NEXT_LINE;
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
        case KG_EDIT_END: plat_write("\n", 1); return k->edit.n > 0;
        }
    }
}

void kg_shell_run(struct kgpt *k)
{
    kg_lineedit_init(&k->edit, plat_write);
    while (read_line(k)) {
        if (obey(k, k->edit.line) == NEXT_HALT) {
            return;
        }
    }
}

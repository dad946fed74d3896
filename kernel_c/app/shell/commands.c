/* Typed commands: see commands.h. */
#include "commands.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

#define MOST_COMMANDS 40 /* limit over all tables, for suggestions */

void kg_say_refused(const struct kg_error *error)
{
    kg_print_error(error);
    kg_event_error(error);
}

char *kg_cut_word(char *text)
{
    while (*text && *text != ' ' && *text != '\n') {
        text++;
    }
    while (*text == ' ' || *text == '\n') {
        *text++ = '\0';
    }
    return text;
}

/* Row number i of those that can be typed here; NULL past the last. */
static const struct kg_command *command_at(const struct kg_commands *commands, size_t i)
{
    for (const struct kg_command *const *table = commands->tables; *table; table++) {
        for (const struct kg_command *command = *table; command->name; command++) {
            bool here = command->where == commands->where || command->where == KG_SHELL_AND_CHAT;
            if (here && i-- == 0) {
                return command;
            }
        }
    }
    return NULL;
}

/* Length of the first word of `line`. */
static size_t word_length(const char *line)
{
    size_t n = 0;
    while (line[n] && line[n] != ' ' && line[n] != '\n') {
        n++;
    }
    return n;
}

const struct kg_command *kg_commands_find(const struct kg_commands *commands, const char *line)
{
    const struct kg_command *command;
    size_t n = kg_strlen(commands->sign);
    if (!kg_str_starts(line, commands->sign)) {
        return NULL;
    }
    line += n;
    n = word_length(line);
    for (size_t i = 0; (command = command_at(commands, i)); i++) {
        if (kg_strlen(command->name) == n && memcmp(command->name, line, n) == 0) {
            return command;
        }
    }
    return NULL;
}

static void refuse_unknown_command(const struct kg_commands *commands, const char *name)
{
    struct kg_error error;
    const struct kg_command *command;
    const char *names[MOST_COMMANDS + 1] = {NULL};
    for (size_t i = 0; i < MOST_COMMANDS && (command = command_at(commands, i)); i++) {
        names[i] = command->name;
    }
    kg_error_set(&error, KG_E_INPUT, "unknown command \"%.64s\"", name);
    const char *meant =
        kg_suggest(kg_str_starts(name, commands->sign) ? name + kg_strlen(commands->sign) : name, names);
    if (meant) {
        kg_error_hint(&error, "did you mean \"%s%s\"?", commands->sign, meant);
    } else {
        kg_error_hint(&error, "\"%shelp\" lists the commands%s", commands->sign,
                      *commands->sign ? "; a space before the / makes it a message" : "");
    }
    kg_say_refused(&error);
}

static bool is_offered(const struct kgpt *k, const struct kg_command *command)
{
    return !command->needs || command->needs(k);
}

void kg_commands_help(const struct kg_commands *commands, struct kgpt *k, const char *arguments)
{
    const struct kg_command *command, *only = *arguments ? kg_commands_find(commands, arguments) : NULL;
    if (*arguments && !only) {
        refuse_unknown_command(commands, arguments);
        return;
    }
    for (size_t i = 0; (command = command_at(commands, i)); i++) {
        if (command->help && (only ? command == only : is_offered(k, command))) {
            char name[16];
            kg_format(name, sizeof name, "%s%s", commands->sign, command->name);
            kg_print("%-8s %-11s  %s\n", name, command->arguments, command->help);
        }
    }
}

enum kg_next kg_commands_obey(const struct kg_commands *commands, struct kgpt *k, char *line)
{
    struct kg_error error;
    while (*line == ' ') {
        line++;
    }
    size_t n = kg_strlen(line);
    while (n > 0 && (line[n - 1] == ' ' || line[n - 1] == '\n')) {
        line[--n] = '\0';
    }
    if (n == 0) {
        return KG_NEXT_LINE;
    }
    char *arguments = kg_cut_word(line);
    const struct kg_command *command = kg_commands_find(commands, line);
    if (!command) {
        refuse_unknown_command(commands, line);
        return KG_NEXT_LINE;
    }
    if (*arguments && !*command->arguments) { /* refuse: the user may have meant something else */
        kg_error_set(&error, KG_E_INPUT, "%s takes no arguments, but found \"%.64s\"", line, arguments);
        kg_say_refused(&error);
        return KG_NEXT_LINE;
    }
    return command->run(k, arguments);
}

/* True if the typed text may become this command. */
static bool fits_typed(const struct kg_commands *commands, const struct kg_command *command, const struct kgpt *k)
{
    const struct kg_lineedit *edit = &k->edit;
    return edit->n > 0 && (command->help || edit->n > 1) && is_offered(k, command) &&
           kg_str_starts(edit->line, commands->sign) &&
           kg_str_starts(command->name, edit->line + kg_strlen(commands->sign));
}

static void list_fitting(const struct kg_commands *commands, struct kgpt *k)
{
    const struct kg_command *command;
    const char *before = "\n";
    for (size_t i = 0; (command = command_at(commands, i)); i++) {
        if (fits_typed(commands, command, k)) {
            kg_print("%s%s%s", before, commands->sign, command->name);
            before = "  ";
        }
    }
    kg_print("\n");
    kg_lineedit_show(&k->edit);
}

bool kg_commands_complete(const struct kg_commands *commands, struct kgpt *k)
{
    struct kg_lineedit *edit = &k->edit;
    const struct kg_command *command, *first = NULL;
    size_t same = 0, found = 0, typed = edit->n - kg_strlen(commands->sign); /* used where a name fits */
    for (size_t i = 0; edit->cursor == edit->n && (command = command_at(commands, i)); i++) {
        if (!fits_typed(commands, command, k)) {
            continue;
        }
        if (!first) {
            first = command;
            same = kg_strlen(command->name);
        }
        for (size_t n = 0; n < same; n++) {
            same = command->name[n] == first->name[n] ? same : n;
        }
        found++;
    }
    if (!first) {
        return false;
    }
    if (same > typed) {
        kg_lineedit_insert(edit, first->name + typed, same - typed);
    }
    if (found == 1 && *first->arguments) {
        kg_lineedit_insert(edit, " ", 1);
    } else if (same == typed && found > 1) {
        list_fitting(commands, k);
    }
    return true;
}

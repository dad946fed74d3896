/* Commands that are typed: tables of them, and what a line does with one. The shell and the chat have their own. */
#ifndef KGPT_APP_COMMANDS_H
#define KGPT_APP_COMMANDS_H

#include "app/kgpt.h"

enum kg_next {
    KG_NEXT_LINE,
    KG_NEXT_HALT,
};

struct kg_command {
    const char *name; /* NULL behind the last one */
    const char *arguments;
    const char *help;                                     /* NULL: another name of one that is listed */
    enum kg_next (*run)(struct kgpt *k, char *arguments); /* `arguments` may be cut up */
    bool (*needs)(const struct kgpt *k);                  /* listed where this says so; NULL: always */
};

/* `tables`: ended by NULL. `sign`: what every name begins with. */
struct kg_commands {
    const struct kg_command *const *tables;
    const char *sign;
};

/* Cuts the first word off `text`: ends it with NUL and returns where the next begins. */
char *kg_cut_word(char *text);

/* The command that `line` begins with; NULL if it is none. */
const struct kg_command *kg_commands_find(const struct kg_commands *commands, const char *line);

/* Does what `line` says, or says why not. */
enum kg_next kg_commands_obey(const struct kg_commands *commands, struct kgpt *k, char *line);

/* All commands, or the one that `arguments` names. */
void kg_commands_help(const struct kg_commands *commands, struct kgpt *k, const char *arguments);

/* Tab: completes the command that is typed, or shows those that it may be. false: no command is typed here. */
bool kg_commands_complete(const struct kg_commands *commands, struct kgpt *k);

/* Says what is wrong; the shell, or the chat, goes on. */
void kg_say_refused(const struct kg_error *error);

#endif

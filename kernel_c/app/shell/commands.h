/* Commands that are typed, in the shell and in the chat: tables of rows, and how a line becomes a call. Both share
 * these tables; a row says where its command can be typed. */
#ifndef KGPT_APP_COMMANDS_H
#define KGPT_APP_COMMANDS_H

#include "app/kgpt.h"

enum kg_next {
    KG_NEXT_LINE,
    KG_NEXT_HALT,
};

enum kg_where {
    KG_SHELL,
    KG_CHAT,
    KG_SHELL_AND_CHAT,
};

struct kg_command {
    const char *name; /* without the sign; NULL behind the last row */
    const char *arguments;
    const char *help;                                     /* NULL: an alias, which help does not list */
    enum kg_next (*run)(struct kgpt *k, char *arguments); /* may modify `arguments` */
    bool (*needs)(const struct kgpt *k); /* help lists the command if this returns true; NULL: always */
    enum kg_where where;
};

/* The commands of shell or chat: rows of `tables` (ended by NULL), typed with `sign` before their names. */
struct kg_commands {
    const struct kg_command *const *tables;
    const char *sign;
    enum kg_where where; /* KG_SHELL or KG_CHAT */
};

/* Ends the first word of `text` with NUL. Returns the start of the next word. */
char *kg_cut_word(char *text);

/* The command named by the first word of `line`; NULL if there is none. */
const struct kg_command *kg_commands_find(const struct kg_commands *commands, const char *line);

/* Runs the command in `line`, or reports an error. */
enum kg_next kg_commands_obey(const struct kg_commands *commands, struct kgpt *k, char *line);

/* Prints all commands, or the one that `arguments` names. */
void kg_commands_help(const struct kg_commands *commands, struct kgpt *k, const char *arguments);

/* Tab: completes the typed command, or lists the candidates. Returns false if the text is not a command. */
bool kg_commands_complete(const struct kg_commands *commands, struct kgpt *k);

/* Reports an error; shell and chat continue. */
void kg_say_refused(const struct kg_error *error);

#endif

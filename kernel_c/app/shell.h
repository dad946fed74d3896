/* The shell on the console. */
#ifndef KGPT_APP_SHELL_H
#define KGPT_APP_SHELL_H

#include "kgpt.h"

enum kg_next {
    KG_NEXT_LINE,
    KG_NEXT_HALT,
};

struct kg_command {
    const char *name;
    const char *arguments;
    const char *help;
    enum kg_next (*run)(struct kgpt *k, char *arguments); /* `arguments` may be cut up */
};

/* Cuts the first word off `text`: ends it with NUL and returns where the next begins. */
char *kg_shell_cut_word(char *text);

/* Says what is wrong; the shell goes on. */
void kg_shell_refuse(struct kgpt *k, const struct kg_error *error);

/* All settings, or the one change that `arguments` ("key value") asks for. */
void kg_shell_set(struct kgpt *k, char *arguments);

/* Reads and obeys lines until `halt`, Ctrl-D or the end of the input. `reboot` does not return. */
void kg_shell_run(struct kgpt *k);

#endif

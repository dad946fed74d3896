/* The shell on the console. */
#ifndef KGPT_APP_SHELL_H
#define KGPT_APP_SHELL_H

#include "kgpt.h"

/* Reads and obeys lines until `halt`, Ctrl-D or the end of the input. `reboot` does not return. */
void kg_shell_run(struct kgpt *k);

#endif

/* How a run ends: the event `exit`, and the exit status. */
#ifndef KGPT_APP_VERDICT_H
#define KGPT_APP_VERDICT_H

#include "app/kgpt.h"
#include "kgpt/status.h"

/* Sends `exit` and returns the code for kg_main. A run that has computed non-finite numbers fails whatever `code` is.
 * Ctrl-Alt-Del restarts the machine here. */
enum kg_exit kg_finish(struct kgpt *k, enum kg_exit code, const char *reason);

/* Prints and sends the error; returns KG_EXIT_REFUSED. */
enum kg_exit kg_refuse(struct kgpt *k, const struct kg_error *error);

/* Runs the shell, unless the run was asked to end or nothing can be typed; then ends the run. */
enum kg_exit kg_enter_shell(struct kgpt *k);

#endif

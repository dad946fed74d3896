/* How a run ends. */
#ifndef KGPT_APP_VERDICT_H
#define KGPT_APP_VERDICT_H

#include "app/kgpt.h"
#include "kgpt/status.h"

enum kg_exit kg_finish(struct kgpt *k, enum kg_exit code, const char *reason);

/* Says what is wrong; KG_EXIT_REFUSED. */
enum kg_exit kg_refuse(struct kgpt *k, const struct kg_error *error);

/* The shell, if somebody is there to type and the run was not to end; then the end. */
enum kg_exit kg_enter_shell(struct kgpt *k);

#endif

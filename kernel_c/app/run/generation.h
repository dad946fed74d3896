/* Generates documents of a microgpt on the console and the machine channel, and measures the time. */
#ifndef KGPT_APP_GENERATION_H
#define KGPT_APP_GENERATION_H

#include "app/kgpt.h"

/* Generates k->config.samples documents from `prompt`. KG_E_STOPPED after Ctrl-C; other errors as for kg_generate. */
enum kg_status kg_generation_run(struct kgpt *k, const char *prompt, struct kg_error *error);

#endif

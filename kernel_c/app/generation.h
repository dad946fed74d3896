/* A generation as people and programs see it: samples on the console, events, and what it took. */
#ifndef KGPT_APP_GENERATION_H
#define KGPT_APP_GENERATION_H

#include "kgpt.h"

/* Runs what k->config asks for with `prompt`. KG_E_STOPPED after Ctrl-C; otherwise as kg_generate. */
enum kg_status kg_generation_run(struct kgpt *k, const char *prompt, struct kg_error *error);

#endif

/* Documents of a microgpt, on the console and on the machine channel, with the time that they took. */
#ifndef KGPT_APP_GENERATION_H
#define KGPT_APP_GENERATION_H

#include "kgpt.h"

/* Makes the documents that k->config asks for, from `prompt`. KG_E_STOPPED after Ctrl-C; otherwise as kg_generate. */
enum kg_status kg_generation_run(struct kgpt *k, const char *prompt, struct kg_error *error);

#endif

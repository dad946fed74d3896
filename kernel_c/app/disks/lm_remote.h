/* Models from servers (docs/network.md). */
#ifndef KGPT_APP_LM_REMOTE_H
#define KGPT_APP_LM_REMOTE_H

#include "app/lm.h"

/* Reads the model at an address (kgpt/url.h), with the hash and the chat template that the server has beside it, as
 * kg_lm_bring. Takes memory of the arena, which the caller rewinds. */
enum kg_status kg_lm_load_url(struct kgpt *k, const char *text, struct kg_error *error);

#endif

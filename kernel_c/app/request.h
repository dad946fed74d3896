/* Makes requests from the settings of a run, in one place. */
#ifndef KGPT_APP_REQUEST_H
#define KGPT_APP_REQUEST_H

#include "kgpt/config.h"
#include "kgpt/request.h"

/* The request of `config` for its next reply. `seed=random` draws the seed from the entropy of the platform. The
 * request points into `config`. */
struct kg_request kg_request_of(const struct kg_config *config);

/* The seed alone. */
uint64_t kg_resolve_seed(const struct kg_config *config);

#endif

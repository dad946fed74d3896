/* Makes requests from the settings of a run. */
#ifndef KGPT_APP_REQUEST_H
#define KGPT_APP_REQUEST_H

#include "kgpt/config.h"
#include "kgpt/request.h"

/* The request for the next reply of `config`. `seed=random` takes the seed from the platform's entropy. The request
 * points into `config`. */
struct kg_request kg_request_of(const struct kg_config *config);

/* Only the seed. */
uint64_t kg_resolve_seed(const struct kg_config *config);

#endif

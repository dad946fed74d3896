/* The one place where the settings of a run become a request. */
#ifndef KGPT_APP_REQUEST_H
#define KGPT_APP_REQUEST_H

#include "kgpt/config.h"
#include "kgpt/request.h"

/* What `config` says of a reply, with a seed: the one that was given, or one from the platform's entropy if that was asked for. Points into
 * `config`. */
struct kg_request kg_request_of(const struct kg_config *config);

/* The seed alone. */
uint64_t kg_resolve_seed(const struct kg_config *config);

#endif

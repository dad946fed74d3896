/* Requests from settings: see request.h. */
#include "request.h"

#include "kgpt/mem.h"
#include "kgpt/platform.h"

uint64_t kg_resolve_seed(const struct kg_config *config)
{
    uint64_t seed = 0;
    if (!config->seed_random) {
        return config->seed;
    }
    if (!plat_entropy(&seed)) {
        seed ^= plat_ticks(); /* without entropy the clock at least varies the seed */
    }
    return seed;
}

struct kg_request kg_request_of(const struct kg_config *config)
{
    const struct kg_lm_config *lm = &config->lm;
    struct kg_request request = {
        .sampling = config->sampling,
        .n_stops = lm->n_stops,
        .max_tokens = config->max_tokens,
        .seed = kg_resolve_seed(config),
        .logprobs = lm->logprobs,
        .on_overflow = lm->on_overflow == KG_OVERFLOW_SHIFT ? KG_OVERFLOW_SHIFT : KG_OVERFLOW_ERROR,
        .plain = lm->think == KG_THINK_OFF,
        .logits = config->logits,
        .layers = lm->layers,
    };
    for (uint32_t i = 0; i < lm->n_stops; i++) {
        request.stops[i] = lm->stop[i];
    }
    return request;
}

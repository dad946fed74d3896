/* Speed measurement of a microgpt: see bench.h. */
#include "bench.h"

#include "app/events/print.h"
#include "generation.h"

#define KG_BENCH_TOKENS 4096 /* if there is no clock */

/* Fills one context with sampled tokens, starting with BOS. Returns their number. */
static uint32_t fill_context(struct kgpt *k, struct kg_random *random)
{
    uint32_t token = k->model.tokenizer.bos_id;
    kg_session_reset(&k->session);
    for (uint32_t i = 0; i < k->model.n_ctx; i++) {
        kg_session_step(&k->session, token);
        token = kg_sample(&k->generator.sampler, &k->config.sampling, k->session.logits, NULL, 0, random);
    }
    return k->model.n_ctx;
}

void kg_bench_run(struct kgpt *k)
{
    struct kg_random random;
    uint64_t hz = plat_ticks_hz(), tokens = 0, ticks;
    kg_random_seed(&random, k->config.seed, 0);
    uint64_t start = plat_ticks();
    do {
        tokens += fill_context(k, &random);
        ticks = plat_ticks() - start;
    } while ((hz ? ticks < hz / 4 : tokens < KG_BENCH_TOKENS) && !kg_input_stopped(&k->input));
    kg_print("bench: %'lu token%s in ", (unsigned long)tokens, kg_plural(tokens));
    if (hz) {
        double us = (double)kg_ticks_to_us(ticks, hz);
        kg_print("%.1f ms: %'.0f tokens/s, ", us / 1e3, (double)tokens * 1e6 / us);
    }
    kg_print("%'.0f ticks/token (isa %s, context %u)\n", (double)ticks / (double)tokens, kg_isa_names[k->ops.isa],
             k->model.n_ctx);
}

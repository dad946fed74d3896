/* A generation as people and programs see it: see generation.h. */
#include "generation.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"
#include "kgpt/str.h"

/* One generation, as its observer sees it. */
struct show {
    struct kgpt *k;
    const char *prompt;
    uint64_t start, first_token; /* plat_ticks() */
};

uint64_t kg_ticks_to_us(uint64_t ticks, uint64_t hz)
{
    return hz ? (uint64_t)((double)ticks * 1e6 / (double)hz + 0.5) : 0;
}

static void show_begin(void *context, uint32_t sample)
{
    struct show *show = context;
    kg_print("sample %2u: ", sample + 1);
    plat_text(KG_VOICE_MODEL, show->prompt, kg_strlen(show->prompt));
}

static void show_logits(void *context, uint32_t sample, uint32_t pos, uint32_t token, const float *logits)
{
    struct show *show = context;
    if (show->k->config.logits) {
        kg_event_logits(show->k, sample, pos, token, logits, show->k->model.n_vocab);
    }
}

static void show_token(void *context, const struct kg_token *token)
{
    struct show *show = context;
    if (show->first_token == 0) {
        show->first_token = plat_ticks();
    }
    plat_text(KG_VOICE_MODEL, token->text, token->n);
    kg_event_token(show->k, token);
}

static void show_document(void *context, const struct kg_document *document)
{
    struct show *show = context;
    plat_text(KG_VOICE_MODEL, "\n", 1);
    kg_event_sample(show->k, document);
    if (kg_statusline_due(show->k)) {
        kg_statusline(show->k, "sample %u/%u", document->index + 1, show->k->config.samples);
    }
}

static bool show_stopped(void *context)
{
    struct show *show = context;
    return kg_input_stopped(&show->k->input);
}

uint64_t kg_resolve_seed(const struct kg_config *config)
{
    uint64_t seed = 0;
    if (!config->seed_random) {
        return config->seed;
    }
    if (!plat_entropy(&seed)) {
        seed ^= plat_ticks(); /* no source of entropy: at least another seed each time */
    }
    return seed;
}

static void show_rate(struct kgpt *k, const struct kg_stats *stats)
{
    if (stats->us) {
        kg_statusline(k, "%'.0f tokens/s, context %u", (double)stats->totals.tokens * 1e6 / (double)stats->us,
                      k->model.n_ctx);
    } else {
        kg_statusline(k, "%'lu token%s, context %u", (unsigned long)stats->totals.tokens,
                      kg_plural(stats->totals.tokens), k->model.n_ctx);
    }
}

static void print_stats(const struct kg_stats *stats, uint64_t seed, bool stopped)
{
    const struct kg_totals *totals = &stats->totals;
    kg_print("kgpt: %s%u sample%s, %'lu token%s in ", stopped ? "stopped after " : "", totals->samples,
             kg_plural(totals->samples), (unsigned long)totals->tokens, kg_plural(totals->tokens));
    if (stats->us) {
        kg_print("%.1f ms (%'.0f tokens/s)", (double)stats->us / 1e3, (double)totals->tokens * 1e6 / (double)stats->us);
    } else {
        kg_print("%'lu ticks", (unsigned long)stats->ticks);
    }
    kg_print(", seed %lu\n", (unsigned long)seed);
}

enum kg_status kg_generation_run(struct kgpt *k, const char *prompt, struct kg_error *error)
{
    struct show show = {.k = k, .prompt = prompt};
    const struct kg_observer observer = {
        .context = &show,
        .begin = show_begin,
        .logits = show_logits,
        .token = show_token,
        .document = show_document,
        .stopped = show_stopped,
    };
    const struct kg_request request = {
        .prompt = prompt,
        .samples = k->config.samples,
        .max_tokens = k->config.max_tokens,
        .seed = kg_resolve_seed(&k->config),
        .sampling = k->config.sampling.common,
    };
    struct kg_stats stats = {0};
    kg_event_config(k, &request);
    show.start = plat_ticks();
    enum kg_status status = kg_generate(&k->generator, &request, &observer, &stats.totals, error);
    k->failed = k->failed || status == KG_E_NUMBERS;
    if (status != KG_OK && status != KG_E_STOPPED) {
        return status;
    }
    stats.ticks = plat_ticks() - show.start;
    stats.ticks_hz = plat_ticks_hz();
    stats.us = kg_ticks_to_us(stats.ticks, stats.ticks_hz);
    stats.first_token_ticks = show.first_token ? show.first_token - show.start : 0;
    print_stats(&stats, request.seed, status == KG_E_STOPPED);
    show_rate(k, &stats);
    kg_event_stats(k, &stats);
    return status;
}

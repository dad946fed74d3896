/* Sinks for a microgpt's documents: the console and the machine channel. See generation.h. */
#include "generation.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"
#include "app/run/request.h"
#include "kgpt/str.h"

/* Context of the console's sink. */
struct show {
    struct kgpt *k;
    const char *prompt;
    uint64_t start, first_token; /* plat_ticks() */
};

static void show_document_begin(void *context, const struct kg_reply *reply)
{
    struct show *show = context;
    kg_print("sample %2u: ", reply->request->index + 1);
    plat_text(KG_VOICE_MODEL, show->prompt, kg_strlen(show->prompt));
}

static void show_document_text(void *context, const struct kg_reply *reply, const char *text, size_t n)
{
    (void)context;
    (void)reply;
    plat_text(KG_VOICE_MODEL, text, n);
}

static void show_document_end(void *context, const struct kg_reply *reply)
{
    struct show *show = context;
    show->first_token = show->first_token ? show->first_token : reply->first_token;
    plat_text(KG_VOICE_MODEL, "\n", 1);
    if (kg_statusline_due(show->k)) {
        kg_statusline(show->k, "sample %u/%u", reply->request->index + 1, show->k->config.samples);
    }
}

static bool document_is_stopped(void *context)
{
    struct show *show = context;
    return kg_input_stopped(&show->k->input);
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
    kg_print_as(KG_VOICE_DIM, "kgpt: %s%u sample%s, %'lu token%s in ", stopped ? "stopped after " : "", totals->samples,
                kg_plural(totals->samples), (unsigned long)totals->tokens, kg_plural(totals->tokens));
    if (stats->us) {
        kg_print_as(KG_VOICE_DIM, "%.1f ms (%'.0f tokens/s)", (double)stats->us / 1e3,
                    (double)totals->tokens * 1e6 / (double)stats->us);
    } else {
        kg_print_as(KG_VOICE_DIM, "%'lu ticks", (unsigned long)stats->ticks);
    }
    kg_print_as(KG_VOICE_DIM, ", seed %lu\n", (unsigned long)seed);
}

enum kg_status kg_generation_run(struct kgpt *k, const char *prompt, struct kg_error *error)
{
    struct show show = {.k = k, .prompt = prompt};
    const struct kg_sink channel = {.logits = kg_event_logits, .token = kg_event_token, .done = kg_event_sample};
    const struct kg_sink console = {.next = &channel,
                                    .context = &show,
                                    .begin = show_document_begin,
                                    .text = show_document_text,
                                    .done = show_document_end,
                                    .stopped = document_is_stopped};
    const struct kg_request request = kg_request_of(&k->config);
    struct kg_stats stats = {0};
    kg_event_config(k, prompt, k->config.samples, &request);
    show.start = plat_ticks();
    enum kg_status status =
        kg_generate(&k->generator, prompt, k->config.samples, &request, &console, &stats.totals, error);
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

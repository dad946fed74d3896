/* Several texts at once (slots=N): the samples of a prompt in the slots of a batch. Tokens are told as they come; the
 * console shows the first sample that has not ended, and the ends are told in the order of the samples. */
#include "app/lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"

#include "kgpt/mem.h"

struct together {
    struct kgpt *k;
    struct kg_text text;   /* the prompt */
    uint32_t n;            /* its tokens */
    uint32_t begun, told;  /* samples that have begun, and those whose end was told */
    bool stopped;          /* Ctrl-C, or a sample has failed: no other one begins */
    enum kg_status status; /* of the first sample that failed */
    struct kg_stats stats;
    uint64_t start, first_token;
};

/* A sample in a slot: the turn comes first, which is the context of its sinks. */
struct kg_lm_sample {
    struct kg_lm_turn turn;
    struct together *all;
    bool busy;  /* its end is not told yet */
    bool shown; /* its text so far is on the console */
    void (*show_end)(void *context, const struct kg_reply *reply);
    void (*send_end)(void *context, const struct kg_reply *reply);
};

void kg_lm_together_carve(struct kg_lm *lm, uint32_t n, struct kg_arena *arena)
{
    lm->batch = (struct kg_batch){.n = 1};
    lm->samples = NULL;
    if (n > 1) {
        kg_batch_carve(&lm->batch, &lm->conversation, n, arena);
        lm->samples = kg_arena_array(arena, n, sizeof *lm->samples);
    }
}

static uint64_t us_since(uint64_t start)
{
    return kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
}

static void show_rate_together(const struct together *t)
{
    uint64_t us = us_since(t->start);
    kg_statusline(t->k, "%u of %u texts, %.1f tokens/s", t->told, t->k->config.samples,
                  us ? (double)t->stats.totals.tokens * 1e6 / (double)us : 0);
}

static void show_sample_text(void *context, const struct kg_reply *reply, const char *text, size_t n)
{
    const struct kg_lm_sample *sample = context;
    (void)reply;
    if (sample->shown) {
        plat_text(KG_VOICE_MODEL, text, n);
    }
    if (kg_statusline_due(sample->turn.k)) {
        show_rate_together(sample->all);
    }
}

static void count_sample_token(void *context, const struct kg_reply *reply, const struct kg_token *token)
{
    struct together *t = ((struct kg_lm_sample *)context)->all;
    (void)reply;
    (void)token;
    t->stats.totals.tokens++;
    t->first_token = t->first_token ? t->first_token : plat_ticks();
}

/* The first sample looks at the keyboard, for all. */
static bool is_stopped_together(void *context)
{
    const struct kg_lm_sample *sample = context;
    struct together *t = sample->all;
    if (sample->turn.request.index == t->told && !t->stopped) {
        t->stopped = kg_input_stopped(&t->k->input);
    }
    return t->stopped;
}

/* The prompt and the text so far. The rest follows as it comes. */
static void show_sample(struct kg_lm_sample *sample, const struct kg_reply *reply)
{
    const struct together *t = sample->all;
    if (sample->shown) {
        return;
    }
    kg_lm_announce_sliding_text(t->k, &sample->turn.request, t->text.n);
    if (sample->turn.request.rng != KG_RNG_LLAMA2C) { /* whose texts begin with the prompt themselves */
        kg_lm_print_text(t->text.data, t->text.n);
    }
    plat_text(KG_VOICE_MODEL, reply->text, reply->n);
    sample->shown = true;
}

static void prepare_sample(struct together *t, struct kg_lm_sample *sample)
{
    struct kg_lm_turn *turn = &sample->turn;
    *sample = (struct kg_lm_sample){.all = t, .busy = true};
    kg_lm_turn_prepare(turn, t->k, KG_MODE_GENERATE, t->text);
    turn->request.index = t->begun;
    turn->ask.batched = true;
    sample->show_end = turn->console.done;
    sample->send_end = turn->channel.done;
    turn->console.done = turn->channel.done = NULL;
    turn->console.text = show_sample_text;
    turn->console.token = count_sample_token;
    turn->console.stopped = is_stopped_together;
}

static enum kg_status begin_sample(struct together *t, uint32_t slot, struct kg_error *error)
{
    struct kg_lm *lm = t->k->lm;
    struct kg_conversation *c = lm->batch.slots[slot].conversation;
    struct kg_lm_sample *sample = &lm->samples[slot];
    prepare_sample(t, sample);
    if (slot) { /* the prompt was encoded for the first slot */
        memcpy(c->prompt, lm->conversation.prompt, t->n * sizeof *c->prompt);
    }
    kg_batch_share_prefix(&lm->batch, slot, t->n);
    enum kg_status status = kg_conversation_continue(c, t->n, &sample->turn.ask, error);
    sample->busy = status == KG_OK;
    if (status == KG_OK) {
        kg_batch_join(&lm->batch, slot);
        t->begun++;
    }
    return status;
}

/* The slot of the first sample whose end is not told; batch.n: there is none. */
static uint32_t first_slot(const struct together *t)
{
    const struct kg_lm *lm = t->k->lm;
    uint32_t slot = 0;
    while (slot < lm->batch.n && !(lm->samples[slot].busy && lm->samples[slot].turn.request.index == t->told)) {
        slot++;
    }
    return slot;
}

/* The first failure, with a hint. It ends all samples. */
static void fail_together(struct together *t, struct kg_lm_sample *sample, enum kg_status status,
                          struct kg_error *error)
{
    t->status = kg_lm_turn_finish(&sample->turn, status, error);
    t->stopped = true;
    for (uint32_t i = 0; i < t->k->lm->batch.n; i++) {
        kg_batch_leave(&t->k->lm->batch, i);
    }
}

/* Tells the end of a sample. After a failure the console shows no further ones. */
static void tell_end(struct together *t, uint32_t slot, struct kg_error *error)
{
    struct kg_batch_slot *s = &t->k->lm->batch.slots[slot];
    struct kg_lm_sample *sample = &t->k->lm->samples[slot];
    const struct kg_reply *reply = &s->conversation->reply;
    enum kg_status status = s->status;
    if (reply->ended && t->status == KG_OK) {
        show_sample(sample, reply);
        sample->show_end(&sample->turn, reply);
    }
    if (reply->ended) {
        sample->send_end(&sample->turn, reply);
        t->stats.totals.samples++;
    }
    t->stats.totals.prompt_tokens += reply->n_read;
    if (status == KG_E_CONTEXT && reply->speed.tokens) {
        status = KG_OK; /* the text filled the context: it is complete */
    }
    if (status != KG_OK && t->status == KG_OK) {
        *error = s->error;
        fail_together(t, sample, status, error);
    }
    sample->busy = false;
    t->told++;
}

static void tell_samples(struct together *t, struct kg_error *error)
{
    const struct kg_lm *lm = t->k->lm;
    uint32_t slot;
    while ((slot = first_slot(t)) < lm->batch.n && !lm->batch.slots[slot].running) {
        tell_end(t, slot, error);
    }
    if (slot < lm->batch.n && t->status == KG_OK) {
        show_sample(&lm->samples[slot], &lm->batch.slots[slot].conversation->reply);
    }
}

/* Fills free slots. The other samples wait until the first one has computed the prompt, and copy that. */
static void begin_samples(struct together *t, struct kg_error *error)
{
    struct kg_lm *lm = t->k->lm;
    for (uint32_t slot = 0; slot < lm->batch.n && !t->stopped && t->begun < t->k->config.samples; slot++) {
        bool reads = t->begun == 1 && lm->batch.slots[0].running && kg_batch_reads(&lm->batch.slots[0]);
        enum kg_status status = lm->samples[slot].busy || reads ? KG_OK : begin_sample(t, slot, error);
        if (status != KG_OK) {
            fail_together(t, &lm->samples[slot], status, error);
        }
    }
}

static void report_together(struct together *t)
{
    struct kg_stats *stats = &t->stats;
    stats->ticks = plat_ticks() - t->start;
    stats->ticks_hz = plat_ticks_hz();
    stats->us = us_since(t->start);
    stats->first_token_ticks = t->first_token ? t->first_token - t->start : 0;
    show_rate_together(t);
    kg_event_stats(t->k, stats);
    if (t->k->config.lm.stats && stats->us) {
        kg_print("kgpt: %u texts in %u slots: %lu tokens, %.1f/s\n", stats->totals.samples, t->k->lm->batch.n,
                 (unsigned long)stats->totals.tokens, (double)stats->totals.tokens * 1e6 / (double)stats->us);
    }
}

enum kg_status kg_lm_generate_together(struct kgpt *k, struct kg_text text, uint32_t n, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    struct together t = {.k = k, .text = text, .n = n, .start = plat_ticks()};
    for (uint32_t i = 0; i < lm->batch.n; i++) {
        lm->samples[i].busy = false;
        kg_conversation_reset(lm->batch.slots[i].conversation);
    }
    do {
        begin_samples(&t, error);
        tell_samples(&t, error);
        kg_batch_step(&lm->batch);
        tell_samples(&t, error);
    } while (t.told < t.begun || (t.begun < k->config.samples && !t.stopped));
    report_together(&t);
    for (uint32_t i = 0; i < lm->batch.n; i++) {
        kg_conversation_reset(lm->batch.slots[i].conversation);
    }
    return t.status;
}

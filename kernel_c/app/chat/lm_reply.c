/* One reply: prompt in, tokens out, until it ends. Console, channel and clock see it here. */
#include "app/lm.h"

#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"
#include "app/generation.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

/* One call of kg_lm_reply. */
struct reply {
    struct kgpt *k;
    struct kg_lm *lm;
    uint32_t index;
    struct kg_random random;
    uint64_t start; /* plat_ticks() */
    size_t n;       /* bytes of lm->reply */
    const char *reason;
    uint32_t n_prompt, before; /* tokens of the prompt, and of the context before it */
    uint32_t turn;             /* of what turns while the prompt is read */
};

static uint64_t us_since(uint64_t start)
{
    return kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
}

static bool stopped(struct kgpt *k)
{
    return kg_input_stopped(&k->input);
}

/* Between the layers where nobody wants to stop. */
static bool only_poll(void *context)
{
    (void)context;
    plat_poll();
    return false;
}

enum kg_status kg_lm_compute(struct kgpt *k, const uint32_t *tokens, uint32_t n, bool (*asks)(void *), void *context,
                             struct kg_error *error)
{
    enum kg_status status = kg_lm_eval(&kg_lm.session, tokens, n, asks ? asks : only_poll, context, error);
    k->failed = k->failed || status == KG_E_NUMBERS;
    return status;
}

/* Called between the layers of the prompt: shows that something is done, and how much of it. */
static bool stopped_reading(void *context)
{
    static const char turning[] = "|/-\\";
    struct reply *r = context;
    char text[64];
    if (kg_statusline_due(r->k)) {
        size_t n = kg_format(text, sizeof text, "%c %'u of %'u token%s read", turning[r->turn++ % 4],
                             r->lm->session.n_past - r->before, r->n_prompt, kg_plural(r->n_prompt));
        plat_notice(text, n);
        kg_statusline(r->k, "%s", text + 2);
    }
    return stopped(r->k);
}

/* The context is full: `more` positions are wanted. Forgets the older half of what comes after the system prompt, if that is wished. */
static enum kg_status make_room(struct kgpt *k, uint32_t more, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    struct kg_lm_session *session = &lm->session;
    uint32_t n_ctx = session->options.n_ctx, keep = lm->n_system < session->n_past ? lm->n_system : session->n_past;
    while (n_ctx - session->n_past < more) {
        uint32_t discard = (session->n_past - keep + 1) / 2;
        if (k->config.lm.on_overflow != KG_OVERFLOW_SHIFT || keep + more > n_ctx || discard == 0) {
            kg_error_set(error, KG_E_CONTEXT, "the context is full: %u of %u tokens, and %u more %s needed",
                         session->n_past, n_ctx, more, more == 1 ? "is" : "are");
            kg_lm_hint_room(k, error);
            return KG_E_CONTEXT;
        }
        kg_lm_shift(session, keep, discard);
        lm->ask_at = lm->ask_at >= keep + discard ? lm->ask_at - discard : keep;
        lm->reply_at = lm->reply_at > keep + discard ? lm->reply_at - discard : 0;
        kg_print("\nkgpt: the context was full: %u older token%s forgotten\n", discard, discard == 1 ? " is" : "s are");
    }
    return KG_OK;
}

/* The context ends before the last reply, and its last token is fed again: it gives the logits that the reply begins with. */
static uint32_t step_back(struct kg_lm *lm)
{
    lm->prompt[0] = lm->session.tokens[lm->reply_at - 1];
    kg_lm_truncate(&lm->session, lm->reply_at - 1);
    lm->pending = KG_NO_TOKEN;
    return 1;
}

/* BOS and the fragments as tokens, in lm->prompt. */
static enum kg_status encode(struct kgpt *k, const struct kg_lm_turn *turn, uint32_t *n, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    if (turn->again) {
        *n = step_back(lm);
        return KG_OK;
    }
    size_t count, room = lm->session.options.n_ctx + 1, bos = turn->bos && lm->vocab.bos != KG_NO_TOKEN;
    if (bos) {
        lm->prompt[0] = lm->vocab.bos;
    }
    enum kg_status status =
        kg_vocab_encode(&lm->vocab, turn->fragments, turn->n, lm->prompt + bos, room - bos, &count, &k->arena, error);
    if (status != KG_OK) {
        return status;
    }
    if (bos && count && lm->prompt[1] == lm->vocab.bos) { /* the template has said it itself */
        memmove(lm->prompt, lm->prompt + 1, (count < room - 1 ? count : room - 1) * sizeof lm->prompt[0]);
    } else {
        count += bos;
    }
    if (count >= room) {
        kg_error_set(error, KG_E_CONTEXT, "the text has %zu tokens, and the context %u", count,
                     lm->session.options.n_ctx);
        kg_lm_hint_room(k, error);
        return KG_E_CONTEXT;
    }
    if (count == 0) {
        kg_error_set(error, KG_E_INPUT, "there is no text to go on from");
        kg_error_hint(error, "give a prompt");
        return KG_E_INPUT;
    }
    *n = (uint32_t)count;
    return KG_OK;
}

static uint32_t sample(struct reply *r)
{
    struct kg_lm *lm = r->lm;
    return kg_lm_sample(&lm->sampler, &r->k->config.sampling, lm->session.logits, lm->session.tokens,
                        lm->session.n_past, &r->random);
}

/* What can be shown of `n` bytes at lm->reply + r->n has been written there: to the console, and into the text. */
static void show(struct reply *r, size_t n)
{
    plat_text(KG_VOICE_MODEL, r->lm->reply + r->n, n);
    r->n += n;
}

static void tell_token(struct reply *r, uint32_t id, size_t shown)
{
    struct kg_lm *lm = r->lm;
    struct kg_logprob top[20];
    uint32_t n = r->k->config.lm.logprobs, pos = lm->session.n_past;
    const struct kg_token token = {
        .sample = r->index, .pos = pos, .id = id, .text = lm->reply + r->n - shown, .n = shown};
    kg_event_token(r->k, &token);
    if (n) {
        kg_lm_logprobs(&lm->sampler, lm->session.logits, top, n);
        kg_lm_event_logprobs(r->k, r->index, pos, id, kg_lm_logprob(lm->session.logits, lm->vocab.n_vocab, id), top, n);
    }
}

/* Of the token that was fed last. */
static void tell_logits(struct reply *r, uint32_t id)
{
    const struct kg_lm *lm = r->lm;
    kg_event_logits(r->k, r->index, lm->session.n_past - 1, id, lm->session.logits, lm->vocab.n_vocab);
}

/* Would another token perhaps not fit into the text? A context that is shifted never ends, but the text of a reply does. */
static bool is_full(const struct reply *r)
{
    return r->n + kg_stream_room(r->lm->vocab.longest) > r->lm->reply_size;
}

/* A stop string is complete in token `last`. The tokens that hold it leave the context, those before stay as they were sampled, and the
 * bytes before it of the first one that leaves are pending. */
static void drop_stop_string(struct kg_lm *lm, uint32_t last)
{
    size_t cut = lm->stream.cut, n;
    uint32_t token = last, at = lm->session.n_past;
    while ((n = kg_vocab_piece(&lm->vocab, token, lm->piece, false)) < cut && at > 0) {
        cut -= n;
        token = lm->session.tokens[--at];
    }
    kg_lm_truncate(&lm->session, at);
    lm->pending = n > cut ? token : KG_NO_TOKEN;
    lm->pending_n = n > cut ? n - cut : 0;
}

/* Takes a token into the text. false: the reply ends with it. */
static bool take(struct reply *r, uint32_t id)
{
    struct kg_lm *lm = r->lm;
    bool end = kg_vocab_ends(&lm->vocab, id) || (lm->end_token != KG_NO_TOKEN && id == lm->end_token);
    size_t n = end ? 0 : kg_vocab_piece(&lm->vocab, id, lm->piece, false);
    size_t shown = kg_stream_feed(&lm->stream, lm->piece, n, lm->reply + r->n);
    show(r, shown);
    lm->speed.tokens++;
    tell_token(r, id, shown);
    if (end) {
        r->reason = "eos";
    } else if (lm->stream.stopped) {
        r->reason = "stop";
        drop_stop_string(lm, id);
    } else if ((r->k->config.max_tokens && lm->speed.tokens >= r->k->config.max_tokens) || is_full(r)) {
        r->reason = "max_tokens";
        lm->pending = id;
    } else {
        return true;
    }
    return false;
}

static void show_status(struct reply *r, uint64_t decode_us)
{
    const struct kg_lm *lm = r->lm;
    double seconds = (double)decode_us / 1e6;
    kg_statusline(r->k, "%.1f tokens/s, context %u/%u", decode_us ? lm->speed.tokens / seconds : 0.0,
                  lm->session.n_past, lm->session.options.n_ctx);
}

/* Samples until one of the reasons to end. */
static enum kg_status decode(struct reply *r, struct kg_error *error)
{
    struct kg_lm *lm = r->lm;
    uint32_t most = lm->session.options.n_ctx;
    uint64_t begin = plat_ticks();
    for (;;) {
        uint64_t start = plat_ticks();
        uint32_t id = sample(r);
        bool more = take(r, id);
        if (lm->speed.tokens == 1) {
            lm->speed.first_token_us = us_since(r->start);
        }
        if (!more) {
            return KG_OK;
        }
        lm->pending = id;
        if (stopped(r->k)) {
            r->reason = "stopped";
            return KG_E_STOPPED;
        }
        enum kg_status status = make_room(r->k, 1, error);
        if (status == KG_OK) {
            status = kg_lm_compute(r->k, &id, 1, NULL, NULL, error);
        }
        if (status != KG_OK) {
            r->reason = status == KG_E_NUMBERS ? "nonfinite" : "context";
            return status;
        }
        lm->pending = KG_NO_TOKEN;
        if (r->k->config.logits) {
            tell_logits(r, id);
        }
        lm->latency_us[(lm->speed.tokens - 1) % most] = (uint32_t)us_since(start);
        if (kg_statusline_due(r->k)) {
            show_status(r, us_since(begin));
        }
    }
}

/* Ascending, in place. Shell's sort: short, and some thousand values at most. */
static void sort(uint32_t *values, uint32_t n)
{
    for (uint32_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < n; i++) {
            uint32_t value = values[i], at = i;
            for (; at >= gap && values[at - gap] > value; at -= gap) {
                values[at] = values[at - gap];
            }
            values[at] = value;
        }
    }
}

static void finish_speed(struct reply *r, uint64_t decode_start)
{
    struct kg_lm *lm = r->lm;
    struct kg_lm_speed *speed = &lm->speed, *total = &lm->total;
    uint32_t n = speed->tokens ? speed->tokens - 1 : 0; /* the last one was not computed */
    n = n < lm->session.options.n_ctx ? n : lm->session.options.n_ctx;
    speed->decode_us = us_since(decode_start);
    if (n) {
        sort(lm->latency_us, n);
        speed->p50_us = lm->latency_us[n / 2];
        speed->p99_us = lm->latency_us[(uint64_t)n * 99 / 100];
        speed->max_us = lm->latency_us[n - 1];
    }
    total->prompt_tokens += speed->prompt_tokens;
    total->tokens += speed->tokens;
    total->prompt_us += speed->prompt_us;
    total->decode_us += speed->decode_us;
    total->max_us = speed->max_us > total->max_us ? speed->max_us : total->max_us;
}

static enum kg_status feed_prompt(struct reply *r, uint32_t n, const struct kg_lm_turn *turn, struct kg_error *error)
{
    struct kg_lm *lm = r->lm;
    enum kg_status status = make_room(r->k, n, error);
    kg_statusline(r->k, "reading %'u token%s", n, kg_plural(n));
    r->before = lm->session.n_past;
    r->n_prompt = n;
    if (status == KG_OK) {
        status = kg_lm_compute(r->k, lm->prompt, n, turn->again ? NULL : stopped_reading, r, error);
    }
    if (status != KG_OK) {
        kg_lm_truncate(&lm->session, r->before); /* half a message is none */
        return status;
    }
    lm->ask_at = turn->again ? lm->ask_at : lm->session.n_past - n + turn->ask;
    lm->reply_at = lm->session.n_past;
    lm->speed.prompt_tokens = n;
    lm->speed.prompt_us = us_since(r->start);
    if (r->k->config.logits) {
        kg_lm_event_fed(r->k, r->index, lm->session.n_past - n);
        tell_logits(r, lm->prompt[n - 1]);
    }
    return KG_OK;
}

enum kg_status kg_lm_settle(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    enum kg_status status = KG_OK;
    size_t n = 1;
    if (lm->pending == KG_NO_TOKEN) {
        return KG_OK;
    }
    lm->prompt[0] = lm->pending;
    if (lm->pending_n) {
        kg_vocab_piece(&lm->vocab, lm->pending, lm->piece, false);
        status = kg_vocab_encode_rest(&lm->vocab, lm->piece, lm->pending_n, lm->prompt, lm->session.options.n_ctx, &n,
                                      &k->arena, error);
    }
    if (status == KG_OK) {
        status = make_room(k, (uint32_t)n, error);
    }
    if (status == KG_OK) {
        status = kg_lm_compute(k, lm->prompt, (uint32_t)n, NULL, NULL, error);
    }
    if (status == KG_OK) {
        lm->pending = KG_NO_TOKEN;
        lm->pending_n = 0;
    }
    return status;
}

static void begin_stream(struct kg_lm *lm, const struct kg_config *config)
{
    kg_stream_begin(&lm->stream);
    if (lm->end_text[0]) {
        (void)kg_stream_add_stop(&lm->stream, lm->end_text);
    }
    for (uint32_t i = 0; i < config->lm.n_stops; i++) {
        (void)kg_stream_add_stop(&lm->stream, config->lm.stop[i]);
    }
}

enum kg_status kg_lm_reply(struct kgpt *k, const struct kg_lm_turn *turn, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    struct reply r = {.k = k, .lm = lm, .index = turn->index, .start = plat_ticks()};
    uint32_t n;
    lm->seed = kg_resolve_seed(&k->config);
    lm->speed = (struct kg_lm_speed){0};
    lm->pending_n = 0;
    enum kg_status status = encode(k, turn, &n, error);
    if (status == KG_OK) {
        kg_lm_event_config(k, turn, lm->seed);
        status = feed_prompt(&r, n, turn, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_random_seed(&r.random, lm->seed, turn->index);
    begin_stream(lm, &k->config);
    uint64_t decode_start = plat_ticks();
    status = decode(&r, error);
    show(&r, kg_stream_end(&lm->stream, lm->reply + r.n));
    plat_text(KG_VOICE_MODEL, "\n", 1);
    finish_speed(&r, decode_start);
    show_status(&r, lm->speed.decode_us);
    lm->reply_n = r.n;
    kg_lm_event_sample(k, turn->index, r.n, lm->speed.tokens, r.reason);
    kg_lm_event_speed(k, lm->seed);
    if (k->config.lm.stats) {
        kg_print("kgpt: ");
        kg_lm_print_speed(&lm->speed);
    }
    return status;
}

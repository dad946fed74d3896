/* The reply loop of both engines: see kgpt/reply.h. It knows an engine by its table, and the world by a list of
 * sinks. */
#include "kgpt/reply.h"

#include "kgpt/mem.h"
#include "kgpt/platform.h"

const char *const kg_reason_names[] = {"eos", "max_tokens", "context", "stopped", "stop", "nonfinite", "grammar"};

uint64_t kg_ticks_to_us(uint64_t ticks, uint64_t hz)
{
    return hz ? (uint64_t)((double)ticks * 1e6 / (double)hz + 0.5) : 0;
}

/* Calls `function` of each sink that has it. */
#define TELL_SINKS(reply, function, ...)                                         \
    for (const struct kg_sink *sink = (reply)->sinks; sink; sink = sink->next) { \
        if (sink->function) {                                                    \
            sink->function(sink->context, __VA_ARGS__);                          \
        }                                                                        \
    }

static void look_at_past(struct kg_reply *reply)
{
    reply->forward->past(reply->engine, &reply->past);
}

bool kg_reply_stops(const struct kg_reply *reply)
{
    for (const struct kg_sink *sink = reply->sinks; sink; sink = sink->next) {
        if (sink->stopped && sink->stopped(sink->context)) {
            return true;
        }
    }
    return false;
}

bool kg_reply_reading_stops(void *context)
{
    struct kg_reply *reply = context;
    look_at_past(reply);
    reply->n_read = reply->past.n - reply->before;
    TELL_SINKS(reply, progress, reply);
    return kg_reply_stops(reply);
}

enum kg_status kg_reply_make_room(struct kg_reply *reply, uint32_t more, struct kg_error *error)
{
    uint32_t discarded;
    enum kg_status status;
    do {
        discarded = 0;
        status = reply->forward->make_room(reply->engine, more, &discarded, error);
        if (discarded) {
            TELL_SINKS(reply, forgot, reply, discarded);
        }
    } while (status == KG_OK && discarded);
    return status;
}

static void tell_logits(struct kg_reply *reply, uint32_t token)
{
    look_at_past(reply);
    if (reply->request->logits) {
        TELL_SINKS(reply, logits, reply, token);
    }
}

void kg_reply_read(struct kg_reply *reply, uint32_t n, uint32_t last)
{
    reply->n_read = n;
    tell_logits(reply, last);
}

static enum kg_status compute_prompt(struct kg_reply *reply, const uint32_t *tokens, uint32_t n, struct kg_error *error)
{
    uint32_t at_once = reply->forward->at_once;
    for (uint32_t done = 0, now; done < n; done += now) {
        now = n - done < at_once ? n - done : at_once;
        enum kg_status status = reply->forward->eval(reply->engine, tokens + done, now,
                                                     reply->whole ? NULL : kg_reply_reading_stops, reply, error);
        if (status != KG_OK) {
            return status;
        }
        kg_reply_read(reply, done + now, tokens[done + now - 1]);
    }
    return KG_OK;
}

enum kg_status kg_reply_open(struct kg_reply *reply, uint32_t n, struct kg_error *error)
{
    reply->n_prompt = n;
    reply->n_read = 0;
    reply->speed = (struct kg_speed){0};
    reply->dropped = 0;
    reply->pending = KG_NO_TOKEN;
    reply->reason = KG_REASON_STOPPED; /* if the reply does not begin */
    reply->ended = false;
    look_at_past(reply);
    TELL_SINKS(reply, begin, reply);
    enum kg_status status = kg_reply_make_room(reply, n, error);
    look_at_past(reply);
    reply->before = reply->past.n;
    return status;
}

void kg_reply_start(struct kg_reply *reply)
{
    reply->speed.prompt_tokens = reply->n_prompt;
    reply->begun = plat_ticks();
    kg_random_seed(&reply->random, reply->request->seed, reply->request->index);
}

enum kg_status kg_reply_begin(struct kg_reply *reply, const uint32_t *tokens, uint32_t n, struct kg_error *error)
{
    enum kg_status status = kg_reply_open(reply, n, error);
    if (status == KG_OK) {
        status = compute_prompt(reply, tokens, n, error);
    }
    if (status == KG_OK) {
        kg_reply_start(reply);
    }
    return status;
}

/* Drops the older half of a text that slides and fills its memory. The rest begins with a whole character. */
static void drop_old_text(struct kg_reply *reply)
{
    size_t cut = reply->n / 2;
    if (!reply->slides || reply->n <= reply->most) {
        return;
    }
    while (cut < reply->n && ((unsigned char)reply->text[cut] & 0xC0) == 0x80) {
        cut++;
    }
    memmove(reply->text, reply->text + cut, reply->n - cut);
    reply->n -= cut;
    reply->dropped += cut;
}

/* Makes the `n` bytes behind the text a part of it, and shows them. */
static void append_shown_text(struct kg_reply *reply, size_t n)
{
    TELL_SINKS(reply, text, reply, reply->text + reply->n, n);
    reply->n += n;
}

static void tell_token(struct kg_reply *reply, uint32_t id, size_t shown)
{
    struct kg_logprob top[KG_MAX_LOGPROBS];
    const struct kg_sampler *sampler = reply->sampler;
    struct kg_token token = {.sample = reply->request->index,
                             .pos = reply->past.n,
                             .id = id,
                             .text = reply->text + reply->n - shown,
                             .n = shown};
    if (reply->request->logprobs && sampler->more) {
        token.top = top;
        token.n_top = reply->request->logprobs < sampler->n_vocab ? reply->request->logprobs : sampler->n_vocab;
        token.logprob = sampler->more->logprobs(reply->sampler, reply->past.logits, id, top, token.n_top);
    }
    TELL_SINKS(reply, token, reply, &token);
}

/* Adds a sampled token to the text and tells the sinks. False: the reply ends with it. */
static bool take_token(struct kg_reply *reply, uint32_t id)
{
    uint32_t most = reply->request->max_tokens;
    drop_old_text(reply);
    size_t shown = reply->forward->spell(reply->engine, id, reply->text + reply->n);
    append_shown_text(reply, shown);
    reply->speed.tokens++;
    tell_token(reply, id, shown);
    if (reply->speed.tokens == 1) {
        reply->first_token = plat_ticks();
    }
    if (reply->forward->ends(reply->engine, id, &reply->reason)) {
        return false;
    }
    reply->pending = id;
    if ((most && reply->speed.tokens >= most) || (reply->n > reply->most && !reply->slides)) {
        reply->reason = KG_REASON_MAX_TOKENS;
        return false;
    }
    return true;
}

/* Ends a reply whose token is not computed. */
static enum kg_status end_unless_ok(struct kg_reply *reply, enum kg_status status)
{
    if (status != KG_OK) {
        reply->reason = status == KG_E_STOPPED   ? KG_REASON_STOPPED
                        : status == KG_E_NUMBERS ? KG_REASON_NONFINITE
                                                 : KG_REASON_CONTEXT;
        reply->ended = true;
    }
    return status;
}

bool kg_reply_sample(struct kg_reply *reply)
{
    const struct kg_past *past = &reply->past;
    reply->last =
        kg_sample(reply->sampler, &reply->request->sampling, past->logits, past->tokens, past->n, &reply->random);
    reply->ended = !take_token(reply, reply->last);
    return !reply->ended;
}

enum kg_status kg_reply_feed(struct kg_reply *reply, struct kg_error *error)
{
    return end_unless_ok(reply, kg_reply_stops(reply) ? KG_E_STOPPED : kg_reply_make_room(reply, 1, error));
}

enum kg_status kg_reply_computed(struct kg_reply *reply, enum kg_status status)
{
    if (status == KG_OK) {
        reply->pending = KG_NO_TOKEN;
        tell_logits(reply, reply->last);
    }
    return end_unless_ok(reply, status);
}

enum kg_status kg_reply_step(struct kg_reply *reply, struct kg_error *error)
{
    if (!kg_reply_sample(reply)) {
        return KG_OK;
    }
    enum kg_status status = kg_reply_feed(reply, error);
    if (status != KG_OK) {
        return status;
    }
    return kg_reply_computed(reply, reply->forward->eval(reply->engine, &reply->last, 1, NULL, NULL, error));
}

void kg_reply_close_text(struct kg_reply *reply)
{
    append_shown_text(reply, reply->forward->spell(reply->engine, KG_NO_TOKEN, reply->text + reply->n));
    look_at_past(reply);
}

void kg_reply_end(struct kg_reply *reply)
{
    TELL_SINKS(reply, done, reply);
}

struct kg_document kg_reply_document(const struct kg_reply *reply)
{
    return (struct kg_document){.index = reply->request->index,
                                .text = reply->text,
                                .n = reply->n,
                                .tokens = reply->speed.tokens,
                                .reason = reply->reason};
}

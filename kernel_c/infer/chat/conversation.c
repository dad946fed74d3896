/* One conversation with a language model: its memory, and its replies token by token. See kgpt/conversation.h. */
#include "conversation.h"

#include "kgpt/lm_sampler.h"
#include "kgpt/mem.h"
#include "kgpt/platform.h"

static const struct kg_forward lm_forward;

static uint64_t us_between(uint64_t start, uint64_t end)
{
    return kg_ticks_to_us(end - start, plat_ticks_hz());
}

/* All besides the session. */
static void carve_reply(struct kg_conversation *c, const struct kg_lm_loaded *loaded, uint32_t n_ctx,
                        struct kg_arena *arena)
{
    uint32_t longest = loaded->vocab.longest;
    c->loaded = loaded;
    c->reply = (struct kg_reply){
        .forward = &lm_forward, .engine = c, .request = &c->request, .sampler = &c->sampler, .pending = KG_NO_TOKEN};
    kg_lm_sampler_carve(&c->sampler, loaded->vocab.n_vocab, arena);
    c->prompt = kg_arena_array(arena, n_ctx + 1, sizeof *c->prompt);
    c->latency_us = kg_arena_array(arena, n_ctx + 1, sizeof *c->latency_us);
    c->piece = kg_arena_take(arena, longest);
    c->reply.most = (size_t)n_ctx * longest;
    c->reply.text = kg_arena_take(arena, c->reply.most + kg_stream_room(longest));
}

void kg_conversation_carve(struct kg_conversation *c, const struct kg_lm_loaded *loaded, const struct kg_quant_ops *ops,
                           const struct kg_workers *workers, const struct kg_lm_options *options,
                           const struct kg_speculation_options *speculation, struct kg_arena *arena)
{
    const struct kg_speculation_options none = {0};
    speculation = speculation ? speculation : &none;
    const struct kg_lm_options session = kg_speculation_session(speculation, options);
    *c = (struct kg_conversation){0};
    kg_lm_session_carve(&c->session, &loaded->model, ops, workers, &session, arena);
    kg_speculation_carve(&c->speculation, speculation, ops, workers, &session, arena);
    carve_reply(c, loaded, options->n_ctx, arena);
}

void kg_conversation_carve_beside(struct kg_conversation *c, struct kg_conversation *other, struct kg_arena *arena)
{
    *c = (struct kg_conversation){0};
    kg_lm_session_carve_beside(&c->session, &other->session, arena);
    kg_speculation_carve_beside(&c->speculation, &other->speculation, arena);
    carve_reply(c, other->loaded, other->session.options.n_ctx, arena);
}

void kg_conversation_fill(struct kg_conversation *c)
{
    kg_lm_session_fill(&c->session);
    kg_speculation_fill(&c->speculation);
}

void kg_conversation_forget(struct kg_conversation *c)
{
    c->replies = c->n_system = c->reply_at = 0;
    c->reply.pending = KG_NO_TOKEN;
    c->total = (struct kg_speed){0};
}

void kg_conversation_reset(struct kg_conversation *c)
{
    kg_lm_truncate(&c->session, 0);
    kg_conversation_forget(c);
}

/* kg_forward of a language model: the engine is the conversation. */

static void lm_past(void *engine, struct kg_past *past)
{
    const struct kg_conversation *c = engine;
    const struct kg_lm_session *session = &c->session;
    *past = (struct kg_past){.tokens = session->tokens,
                             .n = session->n_past,
                             .n_ctx = session->options.n_ctx,
                             .logits = kg_speculation_logits(&c->speculation, session),
                             .n_vocab = session->model->n_vocab};
}

/* For evaluations that nothing stops: polls devices between the layers. */
static bool poll_devices(void *context)
{
    (void)context;
    plat_poll();
    return false;
}

/* Drafts that can be of use: the last token of a reply is not computed. */
static uint32_t most_drafts(const struct kg_conversation *c)
{
    uint32_t most = c->request.max_tokens;
    return most ? most - c->reply.speed.tokens - 1 : KG_MOST_DRAFTS;
}

static enum kg_status lm_eval(void *engine, const uint32_t *tokens, uint32_t n, bool (*asks)(void *), void *context,
                              struct kg_error *error)
{
    struct kg_conversation *c = engine;
    asks = asks ? asks : poll_devices;
    if (n > 1 || !c->reply.speed.tokens) {
        kg_speculation_forget(&c->speculation);
        return kg_lm_eval(&c->session, tokens, n, asks, context, error);
    }
    return kg_speculation_eval(&c->speculation, &c->session, tokens[0], most_drafts(c), asks, context, error);
}

/* Forgets the older half of what comes after the system prompt, if the request allows that. */
static enum kg_status lm_make_room(void *engine, uint32_t more, uint32_t *discarded, struct kg_error *error)
{
    struct kg_conversation *c = engine;
    uint32_t n_ctx = c->session.options.n_ctx, n_past = c->session.n_past;
    uint32_t keep = c->n_system < n_past ? c->n_system : n_past, discard = (n_past - keep + 1) / 2;
    if (n_ctx - n_past >= more) {
        return KG_OK;
    }
    if (c->request.on_overflow != KG_OVERFLOW_SHIFT || keep + more > n_ctx || discard == 0) {
        return kg_error_set(error, KG_E_CONTEXT, "the context is full: %u of %u tokens, and %u more %s needed", n_past,
                            n_ctx, more, more == 1 ? "is" : "are");
    }
    kg_speculation_forget(&c->speculation);
    kg_lm_shift(&c->session, keep, discard);
    kg_speculation_shift(&c->speculation, keep, discard);
    c->ask_at = c->ask_at >= keep + discard ? c->ask_at - discard : keep;
    c->reply_at = c->reply_at > keep + discard ? c->reply_at - discard : 0;
    *discarded = discard;
    return KG_OK;
}

static bool is_end_token(const struct kg_conversation *c, uint32_t token)
{
    const struct kg_lm_loaded *loaded = c->loaded;
    if (c->as_llama2c) {
        return token == loaded->vocab.bos;
    }
    return kg_vocab_ends(&loaded->vocab, token) || (loaded->end_token != KG_NO_TOKEN && token == loaded->end_token);
}

/* The text of the prompt, as run.c prints it. */
static size_t spell_prompt(struct kg_conversation *c, char *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < c->n_unshown; i++) {
        n += kg_vocab_piece_llama2c(&c->loaded->vocab, c->prompt[i], c->prompt[i + 1], out + n);
    }
    c->n_unshown = 0;
    return n;
}

/* The bytes of a sampled token, at c->piece. */
static size_t spell_piece(struct kg_conversation *c, uint32_t token)
{
    const struct kg_lm_session *session = &c->session;
    const struct kg_vocab *vocab = &c->loaded->vocab;
    if (is_end_token(c, token)) {
        return 0;
    }
    if (c->request.grammar) {
        (void)kg_matcher_token(c->matcher, token); /* its mask let the token through */
    }
    return c->as_llama2c ? kg_vocab_piece_llama2c(vocab, session->tokens[session->n_past - 1], token, c->piece)
                         : kg_vocab_piece(vocab, token, c->piece, false);
}

static size_t lm_spell(void *engine, uint32_t token, char *out)
{
    struct kg_conversation *c = engine;
    size_t n = spell_prompt(c, out);
    if (token == KG_NO_TOKEN) {
        return n + kg_stream_end(&c->stream, out + n);
    }
    return n + kg_stream_feed(&c->stream, c->piece, spell_piece(c, token), out + n);
}

static bool lm_ends(void *engine, uint32_t token, enum kg_reason *reason)
{
    const struct kg_conversation *c = engine;
    if (is_end_token(c, token)) {
        *reason = KG_REASON_EOS;
        return true;
    }
    if (c->stream.stopped) {
        *reason = KG_REASON_STOP;
        return true;
    }
    return false;
}

static const struct kg_forward lm_forward = {
    .at_once = UINT32_MAX, /* the session cuts them into batches */
    .past = lm_past,
    .eval = lm_eval,
    .make_room = lm_make_room,
    .spell = lm_spell,
    .ends = lm_ends,
};

static void tell_layer(void *context, const char *what, uint32_t layer, const float *values, size_t n)
{
    const struct kg_conversation *c = context;
    for (const struct kg_sink *sink = c->reply.sinks; sink; sink = sink->next) {
        if (sink->layer) {
            sink->layer(sink->context, what, layer, values, n);
        }
    }
}

void kg_conversation_prepare(struct kg_conversation *c, const struct kg_ask *ask)
{
    c->request = *ask->request;
    c->as_llama2c = false;
    c->n_unshown = 0;
    c->batched = ask->batched;
    c->reply.n_held = 0;
    c->reply.slides = false;
    c->reply.sinks = ask->sinks;
    c->reply.speed = (struct kg_speed){0};
    c->session.probe = c->request.layers ? tell_layer : NULL;
    c->session.probe_context = c;
    kg_speculation_begin(&c->speculation);
}

void kg_conversation_release(struct kg_conversation *c)
{
    c->reply.sinks = NULL;
    c->session.probe = NULL;
}

static void begin_stream(struct kg_conversation *c)
{
    kg_stream_begin(&c->stream);
    if (c->loaded->end_text[0]) {
        (void)kg_stream_add_stop(&c->stream, c->loaded->end_text);
    }
    for (uint32_t i = 0; i < c->request.n_stops; i++) {
        (void)kg_stream_add_stop(&c->stream, c->request.stops[i]);
    }
}

void kg_conversation_start(struct kg_conversation *c)
{
    if (c->batched) {
        kg_reply_start(&c->reply);
    }
    c->ask_at = c->unread.again ? c->ask_at : c->reply.before + c->unread.ask;
    c->reply_at = c->session.n_past;
    c->computed_at = c->session.computed;
    c->reply.speed.prompt_us = us_between(c->start, c->reply.begun);
}

void kg_conversation_abandon(struct kg_conversation *c)
{
    kg_lm_truncate(&c->session, c->reply.before); /* a message is in the context whole or not at all */
    c->reply.n = c->unread.last_n;
}

/* The reply begins within its grammar. */
static enum kg_status begin_grammar(struct kg_conversation *c, struct kg_error *error)
{
    const struct kg_grammar *grammar = c->request.grammar;
    c->sampler.allowed = NULL;
    if (!grammar) {
        return KG_OK;
    }
    if (!c->matcher || c->request.rng == KG_RNG_LLAMA2C) {
        kg_error_set(error, KG_E_INPUT,
                     c->matcher ? "a text of llama2.c's run.c has no grammar" : "no memory was kept for a grammar");
        kg_error_hint(error, c->matcher ? "leave out rng=llama2c or the grammar" : "leave the grammar out");
        return KG_E_INPUT;
    }
    kg_matcher_begin(c->matcher, grammar);
    return KG_OK;
}

/* Before a token is sampled: allows those that the grammar lets through. False: there is none, and the reply ends. A
 * vocabulary without end tokens ends a whole text so. */
static bool constrain_sampler(struct kg_conversation *c)
{
    uint32_t n = 1;
    if (c->request.grammar) {
        c->sampler.allowed = kg_matcher_mask(c->matcher, &n);
    }
    if (n == 0) {
        c->reply.first_token = c->reply.speed.tokens ? c->reply.first_token : plat_ticks();
        c->reply.reason = kg_matcher_may_end(c->matcher) ? KG_REASON_EOS : KG_REASON_GRAMMAR;
        c->reply.ended = true;
    }
    return n > 0;
}

enum kg_status kg_conversation_begin(struct kg_conversation *c, const uint32_t *tokens, uint32_t n, uint32_t ask,
                                     bool again, struct kg_error *error)
{
    enum kg_status status = begin_grammar(c, error);
    if (status != KG_OK) {
        return status;
    }
    c->unread = (struct kg_unread){.tokens = tokens, .n = n, .ask = ask, .again = again, .last_n = c->reply.n};
    begin_stream(c);
    kg_lm_sampler_use(&c->sampler, c->request.rng, c->request.seed + c->request.index);
    c->pending_n = 0;
    c->reply.n = 0;
    c->reply.whole = again;
    kg_speculation_forget(&c->speculation);
    status = c->batched ? kg_reply_open(&c->reply, n, error) : kg_reply_begin(&c->reply, tokens, n, error);
    if (status != KG_OK) {
        kg_conversation_abandon(c);
    } else if (!c->batched) {
        kg_conversation_start(c);
    }
    return status;
}

/* A stop string is complete. The tokens that hold it leave the context, those before stay as they were sampled, and
 * the bytes before it of the first token that leaves are pending. */
static void drop_stop_string(struct kg_conversation *c)
{
    const struct kg_lm_session *session = &c->session;
    size_t cut = c->stream.cut, n;
    uint32_t token = c->reply.last, at = session->n_past;
    while ((n = kg_vocab_piece(&c->loaded->vocab, token, c->piece, false)) < cut && at > 0) {
        cut -= n;
        token = session->tokens[--at];
    }
    kg_lm_truncate(&c->session, at);
    c->reply.pending = n > cut ? token : KG_NO_TOKEN;
    c->pending_n = n > cut ? n - cut : 0;
}

static void end_step(struct kg_conversation *c)
{
    uint32_t n = c->reply.speed.tokens - 1;
    c->latency_us[n % c->session.options.n_ctx] = (uint32_t)us_between(c->step_start, plat_ticks());
    if (c->reply.ended && c->reply.reason == KG_REASON_STOP) {
        drop_stop_string(c);
    }
}

enum kg_status kg_conversation_step(struct kg_conversation *c, struct kg_error *error)
{
    c->step_start = plat_ticks();
    if (!constrain_sampler(c)) {
        return KG_OK;
    }
    enum kg_status status = kg_reply_step(&c->reply, error);
    end_step(c);
    return status;
}

enum kg_status kg_conversation_sample(struct kg_conversation *c, struct kg_error *error)
{
    c->step_start = plat_ticks();
    if (!constrain_sampler(c)) {
        return KG_OK;
    }
    enum kg_status status = kg_reply_sample(&c->reply) ? kg_reply_feed(&c->reply, error) : KG_OK;
    if (c->reply.ended) {
        end_step(c);
    }
    return status;
}

enum kg_status kg_conversation_computed(struct kg_conversation *c, enum kg_status status)
{
    status = kg_reply_computed(&c->reply, status);
    end_step(c);
    return status;
}

bool kg_conversation_skip(struct kg_conversation *c)
{
    bool computed = kg_speculation_skip(&c->speculation, &c->session, c->reply.last);
    if (computed) {
        (void)kg_conversation_computed(c, KG_OK);
    }
    return computed;
}

uint32_t kg_conversation_draft(struct kg_conversation *c, uint32_t most, struct kg_pass_load *load)
{
    uint32_t useful = most_drafts(c);
    return kg_speculation_draft(&c->speculation, &c->session, c->reply.last, most < useful ? most : useful, load);
}

/* Ascending, in place: Shell's sort, for some thousand values at most. */
static void sort_latencies(uint32_t *values, uint32_t n)
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

static void complete_speed(struct kg_conversation *c)
{
    struct kg_speed *speed = &c->reply.speed;
    uint32_t n = speed->tokens ? speed->tokens - 1 : 0; /* the last token was not computed */
    n = n < c->session.options.n_ctx ? n : c->session.options.n_ctx;
    speed->computed = c->session.computed - c->computed_at;
    speed->passes = c->speculation.counts.passes;
    speed->drafted = c->speculation.counts.drafted;
    speed->accepted = c->speculation.counts.accepted;
    speed->first_token_us = us_between(c->start, c->reply.first_token);
    speed->decode_us = us_between(c->reply.begun, plat_ticks());
    if (n) {
        sort_latencies(c->latency_us, n);
        speed->p50_us = c->latency_us[n / 2];
        speed->p99_us = c->latency_us[(uint64_t)n * 99 / 100];
        speed->max_us = c->latency_us[n - 1];
    }
}

void kg_conversation_end(struct kg_conversation *c)
{
    const struct kg_speed *speed = &c->reply.speed;
    kg_reply_close_text(&c->reply);
    complete_speed(c);
    kg_reply_end(&c->reply);
    c->total.prompt_tokens += speed->prompt_tokens;
    c->total.tokens += speed->tokens;
    c->total.drafted += speed->drafted;
    c->total.accepted += speed->accepted;
    c->total.prompt_us += speed->prompt_us;
    c->total.decode_us += speed->decode_us;
    c->total.max_us = speed->max_us > c->total.max_us ? speed->max_us : c->total.max_us;
    kg_conversation_release(c);
}

enum kg_status kg_conversation_finish(struct kg_conversation *c, struct kg_error *error)
{
    enum kg_status status = KG_OK;
    while (status == KG_OK && !c->reply.ended) {
        status = kg_conversation_step(c, error);
    }
    kg_conversation_end(c);
    return status;
}

enum kg_status kg_conversation_settle(struct kg_conversation *c, struct kg_arena *scratch, struct kg_error *error)
{
    struct kg_reply *reply = &c->reply;
    const struct kg_vocab *vocab = &c->loaded->vocab;
    enum kg_status status = KG_OK;
    size_t n = 1;
    if (reply->pending == KG_NO_TOKEN) {
        return KG_OK;
    }
    c->prompt[0] = reply->pending;
    if (c->pending_n) {
        kg_vocab_piece(vocab, reply->pending, c->piece, false);
        status = kg_vocab_encode_rest(vocab, c->piece, c->pending_n, c->prompt, c->session.options.n_ctx, &n, scratch,
                                      error);
    }
    if (status == KG_OK) {
        status = kg_reply_make_room(reply, (uint32_t)n, error);
    }
    if (status == KG_OK) {
        status = kg_lm_eval(&c->session, c->prompt, (uint32_t)n, poll_devices, NULL, error);
    }
    if (status == KG_OK) {
        reply->pending = KG_NO_TOKEN;
        c->pending_n = 0;
    }
    return status;
}

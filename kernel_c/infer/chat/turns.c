/* What is said in a conversation, as tokens: messages in the chat's template, and plain texts. See
 * kgpt/conversation.h. */
#include "conversation.h"

#include "kgpt/platform.h"

enum kg_status kg_conversation_encode_fragments(struct kg_conversation *c, const struct kg_fragment *fragments,
                                                size_t n_fragments, bool bos, uint32_t *n, uint32_t *n_bos,
                                                struct kg_arena *scratch, struct kg_error *error)
{
    struct kg_said_tokens said = {.tokens = c->prompt, .room = c->session.options.n_ctx + 1};
    enum kg_status status = kg_lm_encode(&said, c->loaded, fragments, n_fragments, bos, scratch, error);
    *n = said.n;
    *n_bos = said.n_bos;
    return status;
}

enum kg_status kg_conversation_check_room(const struct kg_conversation *c, uint32_t from, uint32_t n,
                                          struct kg_error *error)
{
    uint32_t n_ctx = c->session.options.n_ctx, keep = c->n_system < from ? c->n_system : from;
    uint32_t taken = c->request.on_overflow == KG_OVERFLOW_SHIFT ? keep : from;
    if (n <= n_ctx - taken) {
        return KG_OK;
    }
    if (taken) {
        return kg_error_set(error, KG_E_CONTEXT,
                            "the text has %u tokens, and the context has room for %u: of %u, %u are taken", n,
                            n_ctx - taken, n_ctx, taken);
    }
    return kg_error_set(error, KG_E_CONTEXT, "the text has %u tokens, and the context %u", n, n_ctx);
}

enum kg_status kg_conversation_encode(struct kg_conversation *c, struct kg_text text, uint32_t *n,
                                      struct kg_arena *scratch, struct kg_error *error)
{
    const struct kg_fragment fragment = {.text = text.data, .n = text.n};
    const struct kg_vocab *vocab = &c->loaded->vocab;
    uint32_t n_bos;
    if (!text.n && vocab->first != KG_NO_TOKEN) {
        c->prompt[0] = vocab->first;
        *n = 1;
        return kg_conversation_check_room(c, 0, *n, error);
    }
    enum kg_status status =
        kg_conversation_encode_fragments(c, &fragment, text.n > 0, vocab->add_bos, n, &n_bos, scratch, error);
    return status == KG_OK ? kg_conversation_check_room(c, 0, *n, error) : status;
}

/* How many tokens a text of run.c has behind BOS. */
static uint32_t llama2c_steps(const struct kg_conversation *c, uint32_t max_tokens)
{
    uint32_t most = c->loaded->model.n_ctx_train;
    return max_tokens && max_tokens < most ? max_tokens : most;
}

enum kg_status kg_conversation_encode_llama2c(struct kg_conversation *c, struct kg_text text, uint32_t max_tokens,
                                              uint32_t *n, struct kg_arena *scratch, struct kg_error *error)
{
    size_t count, most = (size_t)llama2c_steps(c, max_tokens) + 1;
    enum kg_status status = kg_vocab_encode_llama2c(&c->loaded->vocab, text.data, text.n, c->prompt,
                                                    c->session.options.n_ctx + 1, &count, scratch, error);
    if (status != KG_OK) {
        return status;
    }
    *n = (uint32_t)(count < most ? count : most);
    return kg_conversation_check_room(c, 0, *n < most ? *n : *n - 1, error); /* the last token is not computed */
}

/* Begins a text of run.c: max_tokens counts the prompt, which is a part of the text, and may end it. */
static enum kg_status continue_as_llama2c(struct kg_conversation *c, uint32_t n, struct kg_error *error)
{
    uint32_t steps = llama2c_steps(c, c->request.max_tokens), left = steps + 1 - n, computed = left ? n : n - 1;
    uint32_t held = c->reply.n_held = kg_lm_reuse(&c->session, c->prompt, computed);
    c->as_llama2c = true;
    c->batched = false; /* the prompt is computed now: it may end the text */
    enum kg_status status = kg_conversation_begin(c, c->prompt + held, computed - held, 0, false, error);
    c->n_unshown = n - 1;
    c->request.max_tokens = left;
    if (status == KG_OK && !left) {
        c->reply.first_token = c->reply.begun;
        c->reply.reason = KG_REASON_MAX_TOKENS;
        c->reply.ended = true;
    }
    return status;
}

static enum kg_status release_unless_begun(struct kg_conversation *c, enum kg_status status)
{
    if (status != KG_OK) {
        kg_conversation_release(c);
    }
    return status;
}

enum kg_status kg_conversation_continue(struct kg_conversation *c, uint32_t n, const struct kg_ask *ask,
                                        struct kg_error *error)
{
    kg_conversation_prepare(c, ask);
    c->reply.slides = c->request.on_overflow == KG_OVERFLOW_SHIFT; /* no template needs the whole text */
    c->start = plat_ticks();
    kg_conversation_forget(c);
    if (c->request.rng == KG_RNG_LLAMA2C) {
        return release_unless_begun(c, continue_as_llama2c(c, n, error));
    }
    uint32_t held = c->reply.n_held = kg_lm_reuse(&c->session, c->prompt, n);
    return release_unless_begun(c, kg_conversation_begin(c, c->prompt + held, n - held, 0, false, error));
}

/* The number of tokens of some fragments. */
static uint32_t count_tokens(const struct kg_conversation *c, const struct kg_fragment *fragments, size_t n,
                             struct kg_arena *scratch)
{
    struct kg_error error;
    size_t count = 0;
    uint32_t none;
    (void)kg_vocab_encode(&c->loaded->vocab, fragments, n, &none, 0, &count, scratch, &error);
    return (uint32_t)count;
}

/* The number of fragments before the message of the user: a shift keeps them. */
static size_t fragments_before(const struct kg_fragment *fragments, size_t n, struct kg_text message)
{
    size_t i = 0;
    while (i < n &&
           (fragments[i].special || fragments[i].text < message.data || fragments[i].text > message.data + message.n)) {
        i++;
    }
    return i;
}

/* A message as fragments of the template, and its place in the context. */
struct turn {
    struct kg_fragment fragments[2 * KG_CHAT_FRAGMENTS];
    size_t n;
    bool first;    /* of the conversation */
    bool rewrites; /* the last reply comes first, in the form that the template gives to earlier replies */
    uint32_t from; /* tokens of the context that stay */
};

static void compose_turn(const struct kg_conversation *c, struct turn *turn, struct kg_text system,
                         struct kg_text message)
{
    struct kg_chat chat = c->loaded->chat;
    chat.plain = c->request.plain;
    turn->rewrites = !turn->first && (chat.flags & KG_CHAT_REWRITES);
    turn->from = turn->rewrites ? c->ask_at : c->session.n_past;
    turn->n = 0;
    if (turn->rewrites) {
        turn->n = kg_chat_reply(&chat, (struct kg_text){c->reply.text, c->reply.n}, turn->fragments);
    }
    turn->n += kg_chat_turn(&chat, turn->first, system, message, turn->fragments + turn->n);
}

/* The message as tokens at c->prompt: *n. *ask_n of them stand before the request for the reply. */
static enum kg_status encode_turn(struct kg_conversation *c, struct turn *turn, struct kg_text message, uint32_t *n,
                                  uint32_t *ask_n, struct kg_arena *scratch, struct kg_error *error)
{
    uint32_t flags = c->loaded->chat.flags, n_bos = 0;
    bool bos = turn->first && ((flags & KG_CHAT_BOS) || c->loaded->vocab.add_bos);
    enum kg_status status =
        kg_conversation_encode_fragments(c, turn->fragments, turn->n, bos, n, &n_bos, scratch, error);
    if (status == KG_OK) {
        status = kg_conversation_check_room(c, turn->from, *n, error);
    }
    if (status != KG_OK) {
        return status;
    }
    if (flags & KG_CHAT_REWRITES) {
        *ask_n = n_bos + count_tokens(c, turn->fragments, turn->n - 1, scratch);
    }
    if (turn->first) {
        c->n_system =
            n_bos + count_tokens(c, turn->fragments, fragments_before(turn->fragments, turn->n, message), scratch);
    }
    return KG_OK;
}

enum kg_status kg_conversation_encode_beginning(struct kg_conversation *c, struct kg_text system, uint32_t *n,
                                                struct kg_arena *scratch, struct kg_error *error)
{
    const struct kg_text message = {"", 0};
    struct turn turn = {.first = true};
    uint32_t n_bos;
    compose_turn(c, &turn, system, message);
    turn.n = fragments_before(turn.fragments, turn.n, message);
    bool bos = (c->loaded->chat.flags & KG_CHAT_BOS) || c->loaded->vocab.add_bos;
    if (turn.n == 0 && !bos) {
        kg_error_set(error, KG_E_INPUT, "every chat begins with its message: there is nothing to compute before it");
        kg_error_hint(error, "do without --prefill");
        return KG_E_INPUT;
    }
    enum kg_status status = kg_conversation_encode_fragments(c, turn.fragments, turn.n, bos, n, &n_bos, scratch, error);
    return status == KG_OK ? kg_conversation_check_room(c, 0, *n, error) : status;
}

/* Begins the reply to a first message of `n` tokens at c->prompt, behind what the prefill has of them. */
static enum kg_status begin_first(struct kg_conversation *c, uint32_t n, uint32_t ask_n, struct kg_error *error)
{
    uint32_t held = kg_prefill_begin(&c->loaded->prefill, &c->session, c->prompt, n);
    c->reply.n_held = held;
    enum kg_status status = kg_conversation_begin(c, c->prompt + held, n - held, ask_n - held, false, error);
    if (status != KG_OK && c->session.n_past == held) {
        kg_lm_truncate(&c->session, 0); /* a chat begins with a message, not with its system prompt alone */
    }
    return status;
}

static enum kg_status begin_message(struct kg_conversation *c, struct kg_text system, struct kg_text message,
                                    struct kg_arena *scratch, struct kg_error *error)
{
    struct turn turn = {.first = c->session.n_past == 0};
    uint32_t n = 0, ask_n = 0;
    enum kg_status status = turn.first ? KG_OK : kg_conversation_settle(c, scratch, error);
    if (status != KG_OK) {
        return status;
    }
    c->start = plat_ticks();
    compose_turn(c, &turn, system, message);
    status = encode_turn(c, &turn, message, &n, &ask_n, scratch, error);
    if (status != KG_OK) {
        return status;
    }
    kg_lm_truncate(&c->session, turn.from);
    status = turn.first ? begin_first(c, n, ask_n, error) : kg_conversation_begin(c, c->prompt, n, ask_n, false, error);
    c->replies += status == KG_OK || c->session.n_past > 0;
    return status;
}

enum kg_status kg_conversation_message(struct kg_conversation *c, struct kg_text system, struct kg_text message,
                                       const struct kg_ask *ask, struct kg_error *error)
{
    kg_conversation_prepare(c, ask);
    c->request.index = c->replies;
    return release_unless_begun(c, begin_message(c, system, message, ask->scratch, error));
}

enum kg_status kg_conversation_again(struct kg_conversation *c, const struct kg_ask *ask, struct kg_error *error)
{
    kg_conversation_prepare(c, ask);
    if (!c->reply_at) {
        kg_conversation_release(c);
        return kg_error_set(error, KG_E_INPUT, "the context holds no message to reply to once more");
    }
    c->request.index = c->replies++;
    c->start = plat_ticks();
    c->prompt[0] = c->session.tokens[c->reply_at - 1]; /* computed again, for the logits that begin the reply */
    kg_lm_truncate(&c->session, c->reply_at - 1);
    return release_unless_begun(c, kg_conversation_begin(c, c->prompt, 1, 0, true, error));
}

/* The conversation: messages, replies, and what the context holds of them. */
#include "app/lm.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

void kg_lm_chat_reset(struct kgpt *k)
{
    struct kg_lm *lm = &kg_lm;
    (void)k;
    kg_lm_truncate(&lm->session, 0);
    lm->replies = lm->n_system = lm->reply_at = 0;
    lm->pending = KG_NO_TOKEN;
    lm->total = (struct kg_lm_speed){0};
}

static struct kg_text system_prompt(const struct kg_config *config)
{
    const char *text = kg_lm_system(&config->lm);
    return (struct kg_text){text, kg_strlen(text)};
}

/* Tokens of the first `n` fragments. */
static uint32_t count_tokens(struct kgpt *k, const struct kg_fragment *fragments, size_t n)
{
    struct kg_lm *lm = &kg_lm;
    struct kg_error error;
    size_t count = 0;
    (void)kg_vocab_encode(&lm->vocab, fragments, n, lm->prompt, 0, &count, &k->arena, &error);
    return (uint32_t)count;
}

/* The fragments up to the message of the user: what a shift is to keep. */
static size_t before_message(const struct kg_fragment *fragments, size_t n, struct kg_text message)
{
    size_t i = 0;
    while (i < n &&
           (fragments[i].special || fragments[i].text < message.data || fragments[i].text > message.data + message.n)) {
        i++;
    }
    return i;
}

void kg_lm_hint_room(const struct kgpt *k, struct kg_error *error)
{
    const struct kg_lm *lm = &kg_lm;
    uint32_t most = lm->model.n_ctx_train;
    bool grows = lm->session.options.n_ctx < most;
    const char *clear = lm->chatting ? "/clear forgets the conversation; " : "", *shift = "";
    if (lm->session.n_past == 0) {
        kg_error_hint(error,
                      grows ? "shorten it, or boot with a larger ctx=: at most %u"
                            : "shorten it: the model was trained for %u",
                      most);
        return;
    }
    if (k->config.lm.on_overflow != KG_OVERFLOW_SHIFT) {
        shift = lm->chatting     ? "/set on_overflow shift forgets its older half; "
                : k->config.exit ? "on_overflow=shift forgets the older half; "
                                 : "set on_overflow shift forgets the older half; ";
    }
    kg_error_hint(
        error, grows ? "%s%sa larger ctx= at boot makes room for more, up to %u" : "%s%sthe model was trained for %u",
        clear, shift, most);
}

/* A message is fed whole or not at all, and refused before anything is forgotten for it: `n` tokens, behind the first `from` of the
 * context. */
static enum kg_status check_room(struct kgpt *k, uint32_t from, uint32_t n, struct kg_error *error)
{
    const struct kg_lm *lm = &kg_lm;
    uint32_t n_ctx = lm->session.options.n_ctx, keep = lm->n_system < from ? lm->n_system : from;
    uint32_t taken = k->config.lm.on_overflow == KG_OVERFLOW_SHIFT ? keep : from;
    if (n <= n_ctx - taken) {
        return KG_OK;
    }
    if (taken) {
        kg_error_set(error, KG_E_CONTEXT,
                     "the text has %u tokens, and the context has room for %u: of %u, %u are taken", n, n_ctx - taken,
                     n_ctx, taken);
    } else {
        kg_error_set(error, KG_E_CONTEXT, "the text has %u tokens, and the context %u", n, n_ctx);
    }
    kg_lm_hint_room(k, error);
    return KG_E_CONTEXT;
}

/* Refuses what the chat's pieces cannot say as the template would. */
static enum kg_status check_said(struct kgpt *k, struct kg_text message, struct kg_error *error)
{
    const struct kg_lm *lm = &kg_lm;
    struct kg_text system = system_prompt(&k->config);
    if (system.n && (lm->chat.flags & KG_CHAT_SYSTEM_REFUSED)) {
        kg_error_set(error, KG_E_INPUT, "the template of %s takes no system prompt", lm->model.name);
        kg_error_hint(error, lm->chatting ? "do without: /system default" : "leave it out");
        return KG_E_INPUT;
    }
    struct kg_text word = kg_chat_refused(&lm->chat, system, message);
    if (word.data) {
        kg_error_set(error, KG_E_INPUT, "the template of %s gives \"%.*s\" a meaning that this kernel does not know",
                     lm->model.name, (int)(word.n < 64 ? word.n : 64), word.data);
        kg_error_hint(error, "say it in other words");
        return KG_E_INPUT;
    }
    return KG_OK;
}

/* The tokens that a turn begins and ends with, and how many they are. */
static enum kg_status measure_turn(struct kgpt *k, struct kg_lm_turn *turn, uint32_t *n, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    size_t count;
    uint32_t bos = turn->bos && lm->vocab.bos != KG_NO_TOKEN;
    enum kg_status status =
        kg_vocab_encode(&lm->vocab, turn->fragments, turn->n, lm->prompt, 0, &count, &k->arena, error);
    *n = bos + (uint32_t)count;
    turn->ask = bos + count_tokens(k, turn->fragments, turn->n - 1);
    return status;
}

enum kg_status kg_lm_chat_message(struct kgpt *k, const char *text, size_t n, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    struct kg_fragment fragments[2 * KG_CHAT_FRAGMENTS];
    const struct kg_text message = {text, n};
    bool first = lm->session.n_past == 0;
    uint32_t tokens;
    lm->speed = (struct kg_lm_speed){0};
    enum kg_status status = check_said(k, message, error);
    if (status == KG_OK && !first) {
        status = kg_lm_settle(k, error);
    }
    if (status != KG_OK) {
        return status;
    }
    lm->chat.plain = k->config.lm.think == KG_THINK_OFF;
    struct kg_lm_turn turn = {.fragments = fragments, .mode = KG_MODE_CHAT, .asked = message, .index = lm->replies};
    turn.bos = first && ((lm->chat.flags & KG_CHAT_BOS) || lm->vocab.add_bos);
    bool anew = !first && (lm->chat.flags & KG_CHAT_REWRITES); /* the last reply as the template shows it from now on */
    uint32_t from = anew ? lm->ask_at : lm->session.n_past;
    if (anew) {
        turn.n = kg_chat_reply(&lm->chat, (struct kg_text){lm->reply, lm->reply_n}, fragments);
    }
    turn.n += kg_chat_turn(&lm->chat, first, system_prompt(&k->config), message, fragments + turn.n);
    status = measure_turn(k, &turn, &tokens, error);
    if (status == KG_OK) {
        status = check_room(k, from, tokens, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_lm_truncate(&lm->session, from);
    if (first) {
        bool bos = turn.bos && lm->vocab.bos != KG_NO_TOKEN;
        lm->n_system = bos + count_tokens(k, fragments, before_message(fragments, turn.n, message));
    }
    status = kg_lm_reply(k, &turn, error);
    lm->replies += status == KG_OK || lm->session.n_past > 0;
    return status;
}

enum kg_status kg_lm_chat_again(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm *lm = &kg_lm;
    const struct kg_lm_turn turn = {.again = true, .mode = KG_MODE_CHAT, .asked = {"", 0}, .index = lm->replies};
    lm->speed = (struct kg_lm_speed){0};
    if (!lm->reply_at) {
        return kg_error_set(error, KG_E_INPUT, "the context holds no message to reply to once more");
    }
    lm->replies++;
    return kg_lm_reply(k, &turn, error);
}

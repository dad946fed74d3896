/* A conversation as bytes: see kgpt/kept.h. */
#include "kgpt/kept.h"

#include "kgpt/mem.h"

_Static_assert(sizeof(struct kg_kept_head) == 144, "as the host reads it");

#define KG_KEPT_TEXT(name, text) static const char kept_##name[] = text;
#include "kgpt/store.def"

/* Where the prefill begins. */
static uint64_t context_at(uint64_t settings_n, uint64_t reply_n)
{
    return (sizeof(struct kg_kept_head) + settings_n + reply_n + KG_KEPT_ALIGN - 1) / KG_KEPT_ALIGN * KG_KEPT_ALIGN;
}

uint64_t kg_kept_size(const struct kg_conversation *c, struct kg_text system, struct kg_text settings)
{
    return context_at(settings.n, c->reply.n) + kg_prefill_size(&c->session, system);
}

void kg_kept_write(const struct kg_conversation *c, struct kg_text system, struct kg_text settings,
                   const struct kg_kept_origin *origin, uint8_t *bytes)
{
    uint64_t at = context_at(settings.n, c->reply.n), used = sizeof(struct kg_kept_head);
    struct kg_kept_head head = {
        .version = KG_KEPT_VERSION,
        .settings_n = (uint32_t)settings.n,
        .reply_n = (uint32_t)c->reply.n,
        .replies = c->replies,
        .n_system = c->n_system,
        .ask_at = c->ask_at,
        .reply_at = c->reply_at,
        .pending = c->reply.pending,
        .pending_n = (uint32_t)c->pending_n,
        .moved_from = c->session.moved_from,
        .n = c->session.n_past,
        .origin = *origin,
    };
    memcpy(head.magic, kept_magic, sizeof head.magic);
    memcpy(bytes, &head, sizeof head);
    memcpy(bytes + used, settings.data, settings.n);
    used += settings.n;
    memcpy(bytes + used, c->reply.text, c->reply.n);
    used += c->reply.n;
    memset(bytes + used, 0, at - used);
    kg_prefill_write(&c->session, system, &origin->of, bytes + at);
}

static enum kg_status refuse_kept(struct kg_error *error, const char *what)
{
    kg_error_set(error, KG_E_INPUT, "the kept conversation %s", what);
    return KG_E_INPUT;
}

/* The numbers of the head against the model and each other. */
static bool head_is_possible(const struct kg_kept_head *head, const struct kg_lm_loaded *loaded)
{
    bool pending = head->pending == KG_NO_TOKEN || head->pending < loaded->vocab.n_vocab;
    bool moved = head->moved_from == UINT32_MAX || head->moved_from <= head->n;
    return head->n && head->n_system <= head->n && head->ask_at <= head->n && head->reply_at <= head->n && pending &&
           head->pending_n <= loaded->vocab.longest && moved;
}

enum kg_status kg_kept_open(struct kg_kept *kept, const void *bytes, uint64_t size, const struct kg_lm_loaded *loaded,
                            const struct kg_kept_origin *origin, struct kg_error *error)
{
    struct kg_kept_head *head = &kept->head;
    const char *text = (const char *)bytes + sizeof *head;
    if (size < sizeof *head) {
        return refuse_kept(error, "is damaged: it is too short");
    }
    memcpy(head, bytes, sizeof *head);
    uint64_t at = context_at(head->settings_n, head->reply_n);
    if (memcmp(head->magic, kept_magic, sizeof head->magic) != 0 || head->version != KG_KEPT_VERSION) {
        return refuse_kept(error, "is of another version of kgpt");
    }
    kept->foreign = memcmp(head->origin.of.model, origin->of.model, sizeof origin->of.model) != 0;
    if (memcmp(head->origin.vocab, origin->vocab, sizeof origin->vocab) != 0) {
        return refuse_kept(error, "was made with a model that has another vocabulary");
    }
    if (memcmp(head->origin.of.chat, origin->of.chat, sizeof origin->of.chat) != 0) {
        return refuse_kept(error, "was made with another chat template");
    }
    if (at > size || !head_is_possible(head, loaded)) {
        return refuse_kept(error, "is damaged: its numbers are not possible");
    }
    const uint8_t *blob = (const uint8_t *)bytes + at;
    enum kg_status status = kept->foreign
                                ? kg_prefill_open_tokens(&kept->context, blob, size - at, loaded->vocab.n_vocab, error)
                                : kg_prefill_open(&kept->context, blob, size - at, &loaded->model, &origin->of, error);
    if (status != KG_OK || kept->context.n != head->n) {
        return refuse_kept(error, "is damaged: its tokens or its keys and values do not match");
    }
    kept->settings = (struct kg_text){text, head->settings_n};
    kept->reply = (struct kg_text){text + head->settings_n, head->reply_n};
    return KG_OK;
}

bool kg_kept_fits(const struct kg_kept *kept, const struct kg_conversation *c)
{
    return !kept->foreign && kg_prefill_fits(&kept->context, &c->session);
}

static void restore_state(const struct kg_kept *kept, struct kg_conversation *c)
{
    const struct kg_kept_head *head = &kept->head;
    c->replies = head->replies;
    c->n_system = head->n_system;
    c->ask_at = head->ask_at;
    c->reply_at = head->reply_at;
    c->reply.pending = head->pending;
    c->pending_n = head->pending_n;
    c->reply.n = kept->reply.n;
    memcpy(c->reply.text, kept->reply.data, kept->reply.n);
}

enum kg_status kg_kept_resume(const struct kg_kept *kept, struct kg_conversation *c, bool (*stopped)(void *),
                              void *context, struct kg_error *error)
{
    uint32_t n = kept->context.n, n_ctx = c->session.options.n_ctx;
    if (n > n_ctx || kept->reply.n > c->reply.most) {
        return kg_error_set(error, KG_E_CONTEXT, "the kept conversation has %u tokens, and the context %u", n, n_ctx);
    }
    kg_conversation_reset(c);
    memcpy(c->prompt, kept->context.tokens, n * sizeof *c->prompt);
    kg_speculation_forget(&c->speculation);
    if (kg_kept_fits(kept, c)) {
        c->prompt[n] = 0; /* kg_prefill_begin leaves one token to compute, which is not part of the conversation */
        (void)kg_prefill_begin(&kept->context, &c->session, c->prompt, n + 1);
        kg_lm_own(&c->session); /* the record that it was read from does not stay */
        c->session.moved_from = kept->head.moved_from;
    } else {
        enum kg_status status = kg_lm_eval(&c->session, c->prompt, n, stopped, context, error);
        if (status != KG_OK) {
            kg_conversation_reset(c);
            return status;
        }
    }
    restore_state(kept, c);
    return KG_OK;
}

/* Texts as tokens, without a conversation: a chat that is told as a whole. See kgpt/conversation.h. */
#include "kgpt/conversation.h"

#include "kgpt/mem.h"

enum kg_status kg_lm_encode(struct kg_said_tokens *said, const struct kg_lm_loaded *loaded,
                            const struct kg_fragment *fragments, size_t n_fragments, bool bos, struct kg_arena *scratch,
                            struct kg_error *error)
{
    const struct kg_vocab *vocab = &loaded->vocab;
    uint32_t *tokens = said->tokens;
    size_t count, room = said->room;
    said->n = 0;
    said->n_bos = bos && vocab->bos != KG_NO_TOKEN;
    if (said->n_bos) {
        tokens[0] = vocab->bos;
    }
    enum kg_status status = kg_vocab_encode(vocab, fragments, n_fragments, tokens + said->n_bos, room - said->n_bos,
                                            &count, scratch, error);
    if (status != KG_OK) {
        return status;
    }
    if (said->n_bos && count && tokens[1] == vocab->bos) { /* the template has its own BOS */
        memmove(tokens, tokens + 1, (count < room - 1 ? count : room - 1) * sizeof tokens[0]);
        said->n_bos = 0;
    }
    said->n = (uint32_t)count + said->n_bos;
    if (said->n == 0) {
        kg_error_set(error, KG_E_INPUT, "there is no text to go on from");
        kg_error_hint(error, "give a prompt");
        return KG_E_INPUT;
    }
    return KG_OK;
}

static enum kg_status check_told(const struct kg_lm_loaded *loaded, struct kg_text system, const struct kg_text *texts,
                                 uint32_t n, struct kg_error *error)
{
    if (system.n && (loaded->chat.flags & KG_CHAT_SYSTEM_REFUSED)) {
        return kg_error_set(error, KG_E_INPUT, "the template of %s takes no system prompt", loaded->model.name);
    }
    for (uint32_t i = 0; i < n; i += 2) {
        struct kg_text word = kg_chat_refused(&loaded->chat, system, texts[i]);
        if (word.data) {
            return kg_error_set(error, KG_E_INPUT,
                                "the template of %s gives \"%.*s\" a meaning that this kernel does not know",
                                loaded->model.name, (int)(word.n < 64 ? word.n : 64), word.data);
        }
    }
    return KG_OK;
}

enum kg_status kg_lm_encode_chat(struct kg_said_tokens *said, const struct kg_lm_loaded *loaded, struct kg_text system,
                                 const struct kg_text *texts, uint32_t n, bool plain, struct kg_arena *scratch,
                                 struct kg_error *error)
{
    size_t used = scratch->used, n_fragments = 0;
    struct kg_chat chat = loaded->chat;
    bool bos = (chat.flags & KG_CHAT_BOS) || loaded->vocab.add_bos;
    struct kg_fragment *fragments = kg_arena_array(scratch, ((size_t)n + 1) * KG_CHAT_FRAGMENTS, sizeof *fragments);
    enum kg_status status = check_told(loaded, system, texts, n, error);
    if (!fragments) {
        return kg_error_set(error, KG_E_MEMORY, "%u messages do not fit the memory", n);
    }
    chat.plain = plain;
    for (uint32_t i = 0; i < n && status == KG_OK; i += 2) {
        n_fragments += kg_chat_turn(&chat, i == 0, system, texts[i], fragments + n_fragments);
        if (i + 1 < n) { /* the reply replaces the request for it */
            n_fragments--;
            n_fragments += kg_chat_reply(&chat, texts[i + 1], fragments + n_fragments);
        }
    }
    if (status == KG_OK) {
        status = kg_lm_encode(said, loaded, fragments, n_fragments, bos, scratch, error);
    }
    kg_arena_rewind(scratch, used);
    return status;
}

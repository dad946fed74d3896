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

static enum kg_status check_told(const struct kg_lm_loaded *loaded, const struct kg_told_chat *chat,
                                 struct kg_error *error)
{
    bool tools = chat->n_tools > 0;
    if (chat->system.n && (loaded->chat.flags & KG_CHAT_SYSTEM_REFUSED)) {
        return kg_error_set(error, KG_E_INPUT, "the template of %s takes no system prompt", loaded->model.name);
    }
    for (uint32_t i = 0; i < chat->n; i++) {
        const struct kg_told *told = &chat->told[i];
        tools = tools || told->n_calls || told->kind == KG_TOLD_RESULT;
        if (told->kind != KG_TOLD_MESSAGE) {
            continue;
        }
        struct kg_text word = kg_chat_refused(&loaded->chat, chat->system, told->text);
        if (word.data) {
            return kg_error_set(error, KG_E_INPUT,
                                "the template of %s gives \"%.*s\" a meaning that this kernel does not know",
                                loaded->model.name, (int)(word.n < 64 ? word.n : 64), word.data);
        }
    }
    if (tools && !kg_chat_takes_tools(&loaded->chat)) {
        return kg_error_set(error, KG_E_INPUT, "the template of %s has no tools of a form that is known here",
                            loaded->model.name);
    }
    return KG_OK;
}

/* Fragments of a chat while they are put together. */
struct told_fragments {
    struct kg_chat chat, step;
    struct kg_fragment *list;
    size_t n;
};

/* A reply stands in the place of the request for it. */
static void add_reply(struct told_fragments *f, const struct kg_told *told, bool in_step)
{
    f->n--;
    f->n += kg_chat_reply(in_step ? &f->step : &f->chat, told->text, f->list + f->n);
    if (told->n_calls) {
        f->n += kg_chat_calls(&f->chat, f->list[f->n - 1].n > 0, told->calls, told->n_calls, f->list + f->n);
    }
}

static void add_told(struct told_fragments *f, const struct kg_told_chat *chat)
{
    uint32_t last = chat->n - 1; /* message of the user */
    while (last > 0 && chat->told[last].kind != KG_TOLD_MESSAGE) {
        last--;
    }
    for (uint32_t i = 0; i < chat->n; i++) {
        const struct kg_told *told = &chat->told[i];
        bool ends = i + 1 == chat->n || chat->told[i + 1].kind != KG_TOLD_RESULT;
        if (told->kind == KG_TOLD_REPLY) {
            add_reply(f, told, i > last);
        } else if (told->kind == KG_TOLD_RESULT) {
            f->n += kg_chat_result(&f->chat, chat->told[i - 1].kind == KG_TOLD_REPLY, told->text, f->list + f->n);
            f->n += ends ? kg_chat_results_end(&f->chat, f->list + f->n) : 0;
        } else if (i == 0 && chat->n_tools) {
            f->n += kg_chat_tool_turn(&f->chat, chat->system, chat->tools, chat->n_tools, told->text, f->list + f->n);
        } else {
            f->n -= i && chat->told[i - 1].kind == KG_TOLD_MESSAGE; /* a row: the first one asks for no reply */
            f->n += kg_chat_turn(&f->chat, i == 0, chat->system, told->text, f->list + f->n);
        }
    }
}

static size_t most_fragments(const struct kg_told_chat *chat)
{
    size_t most = KG_CHAT_FRAGMENTS + 2 * (size_t)chat->n_tools;
    for (uint32_t i = 0; i < chat->n; i++) {
        most += KG_CHAT_FRAGMENTS + (chat->told[i].n_calls ? 4 * (size_t)chat->told[i].n_calls + 1 : 0);
    }
    return most;
}

enum kg_status kg_lm_encode_chat(struct kg_said_tokens *said, const struct kg_lm_loaded *loaded,
                                 const struct kg_told_chat *chat, struct kg_arena *scratch, struct kg_error *error)
{
    size_t used = scratch->used;
    struct told_fragments f = {.chat = loaded->chat};
    bool bos = (f.chat.flags & KG_CHAT_BOS) || loaded->vocab.add_bos;
    enum kg_status status = check_told(loaded, chat, error);
    f.list = kg_arena_array(scratch, most_fragments(chat), sizeof *f.list);
    if (status == KG_OK && !f.list) {
        status = kg_error_set(error, KG_E_MEMORY, "%u messages do not fit the memory", chat->n);
    }
    if (status == KG_OK) {
        f.chat.plain = chat->plain;
        f.step = kg_chat_step(&f.chat);
        add_told(&f, chat);
        status = kg_lm_encode(said, loaded, f.list, f.n, bos, scratch, error);
    }
    kg_arena_rewind(scratch, used);
    return status;
}

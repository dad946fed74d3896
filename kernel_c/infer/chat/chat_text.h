/* Texts of a chat: what chat.c and chat_reply.c share. */
#ifndef KGPT_INFER_CHAT_TEXT_H
#define KGPT_INFER_CHAT_TEXT_H

#include "kgpt/chat.h"

/* `text` without the white space at an end: what Python's str.strip takes for white space. */
struct kg_text kg_chat_trim_left(struct kg_text text);
struct kg_text kg_chat_trim_right(struct kg_text text);

/* The same at the ends that the template trims in `slot`. */
struct kg_text kg_chat_trim_slot(const struct kg_chat *chat, enum kg_chat_slot slot, struct kg_text text);

/* True if `word` stands at byte `at` of `text`. */
bool kg_chat_stands_at(struct kg_text text, size_t at, struct kg_text word);

/* Where `word` (not empty) stands first in `text`, or last; text.n if nowhere. */
size_t kg_chat_find(struct kg_text text, struct kg_text word);
size_t kg_chat_find_last(struct kg_text text, struct kg_text word);

static inline struct kg_fragment kg_chat_piece(const struct kg_chat *chat, enum kg_chat_piece which)
{
    return (struct kg_fragment){chat->piece[which].data, chat->piece[which].n, true};
}

/* What people have said in `slot`, trimmed as the template trims it. */
static inline struct kg_fragment kg_chat_said(const struct kg_chat *chat, enum kg_chat_slot slot, struct kg_text text)
{
    text = kg_chat_trim_slot(chat, slot, text);
    return (struct kg_fragment){text.data, text.n, false};
}

/* The piece that asks for a reply. */
static inline enum kg_chat_piece kg_chat_ask(const struct kg_chat *chat)
{
    return chat->plain && chat->piece[KG_CHAT_ASK_PLAIN].n > 0 ? KG_CHAT_ASK_PLAIN : KG_CHAT_ASK;
}

#endif

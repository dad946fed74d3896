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

#endif

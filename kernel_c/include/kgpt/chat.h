/* The chat template of a model, as the host has taken it apart (kgpt_build/chat): pieces of text between which the kernel puts what
 * is said. A blob, so that it can stand in an image or come as a boot module:
 *
 *   char magic[4] "KGCT"; uint32_t version (1), size (bytes of the whole), crc32 (of what follows the 16 bytes), flags (enum kg_chat_flag),
 *   n_pieces (KG_CHAT_PIECES), { uint32_t offset, length; } pieces[n_pieces] (offsets from the start of the blob),
 *   char family[16] (NUL-padded), then the texts. Little endian. */
#ifndef KGPT_CHAT_H
#define KGPT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/vocab.h"

enum kg_chat_piece {
    KG_CHAT_START,      /* before everything; without a BOS, which is a flag */
    KG_CHAT_SYSTEM_PRE, /* around the system prompt, where there is one */
    KG_CHAT_SYSTEM_POST,
    KG_CHAT_NO_SYSTEM, /* instead of the two and the prompt where there is none: the template's own system prompt, or nothing */
    KG_CHAT_FIRST_PRE, /* around the first message of the user (after a system prompt) */
    KG_CHAT_FIRST_POST,
    KG_CHAT_FIRST_BARE_PRE, /* the same without a system prompt */
    KG_CHAT_FIRST_BARE_POST,
    KG_CHAT_USER_PRE, /* around later ones */
    KG_CHAT_USER_POST,
    KG_CHAT_REPLY_PRE,  /* what asks for a reply (add_generation_prompt) */
    KG_CHAT_REPLY_POST, /* what ends a reply that another message follows */
    KG_CHAT_DEFAULT_SYSTEM, /* what `system=` stands at if the user says nothing: empty, since NO_SYSTEM covers the template's own */
    KG_CHAT_PIECES,
};

enum kg_chat_flag {
    KG_CHAT_BOS = 1u << 0,            /* a BOS token stands before everything */
    KG_CHAT_TRIM = 1u << 1,           /* messages of the user and the system lose white space at both ends */
    KG_CHAT_TRIM_REPLY = 1u << 2,     /* earlier replies do too */
    KG_CHAT_SYSTEM_REFUSED = 1u << 3, /* the template takes no system prompt */
};

struct kg_chat {
    struct kg_text piece[KG_CHAT_PIECES];
    uint32_t flags;
    char family[17];
};

/* Refuses a blob that is damaged. */
enum kg_status kg_chat_open(struct kg_chat *chat, const void *blob, uint64_t size, struct kg_error *error);

#define KG_CHAT_FRAGMENTS 8

/* What stands before a reply: of the first message with the system prompt (`n` 0: none) if `first`, else of a later one, with what ends
 * the reply before it (unless `ended`: it was sampled or there is none). Number of fragments. */
size_t kg_chat_turn(const struct kg_chat *chat, bool first, struct kg_text system, struct kg_text message,
                    struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

#endif

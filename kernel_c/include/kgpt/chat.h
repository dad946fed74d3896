/* The chat template of a model, as the host has taken it apart (kgpt_build/chat): pieces of text between which the kernel puts what
 * is said. A blob, so that it can stand in an image or come as a boot module:
 *
 *   char magic[4] "KGCT"; uint32_t version (1), size (bytes of the whole), crc32 (of what follows these 16 bytes), flags (enum
 *   kg_chat_flag and kg_chat_trim), n_pieces (KG_CHAT_PIECES), { uint32_t offset, length; } pieces[n_pieces] (offsets from the start of
 *   the blob), char family[16] (NUL-padded), then the texts. Little endian.
 *
 * A conversation is [system prompt], message, reply, message, reply, …, message. The context holds
 *
 *   kg_chat_turn(first)  the reply's tokens  kg_chat_turn(!first)  the reply's tokens  …
 *
 * and the token that ended a reply is not fed: the next turn begins with it, as the template has it. A BOS token stands before
 * everything if KG_CHAT_BOS is set or vocab->add_bos, unless the first token of the first turn is one already. */
#ifndef KGPT_CHAT_H
#define KGPT_CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/gguf.h"
#include "kgpt/vocab.h"

#define KG_CHAT_MAX_BLOB (1u << 20) /* bytes */

enum kg_chat_piece {
    KG_CHAT_BARE_PRE,    /* before the first message without a system prompt; holds the template's own, if it has one */
    KG_CHAT_SYSTEM_PRE,  /* before a system prompt */
    KG_CHAT_SYSTEM_POST, /* between it and the first message */
    KG_CHAT_ASK,         /* between a message and the reply that is to be generated */
    KG_CHAT_ASK_PLAIN,   /* the same for a reply without thinking aloud first; empty: the template has no such switch */
    KG_CHAT_TOLD,        /* between a message and an earlier reply, where that is put back as text */
    KG_CHAT_NEXT,        /* between a reply and the next message */
    KG_CHAT_END,         /* what a reply ends with: a special token, or a stop string; may be empty */
    KG_CHAT_DEFAULT_SYSTEM, /* the template's own system prompt, to be shown; may be empty */
    KG_CHAT_PIECES,
};

enum kg_chat_flag {
    KG_CHAT_BOS = 1u << 0,            /* the template begins with a BOS token */
    KG_CHAT_SYSTEM_REFUSED = 1u << 1, /* it takes no system prompt */
    KG_CHAT_SYSTEM_MOVES = 1u
        << 2,                   /* it puts the system prompt before the last message; here it stays before the first */
    KG_CHAT_NO_BLANK = 1u << 3, /* a message of nothing but white space would not stand there as the template has it */
    KG_CHAT_DROPS_THOUGHTS = 1u << 4, /* of an earlier reply it keeps what follows the last "</think>" */
    KG_CHAT_DROPS_NEWLINES = 1u << 5, /* … without the newlines there */
    KG_CHAT_REWRITES = 1u << 6,       /* an earlier reply does not stand as it was generated: see kg_chat_reply */
};

/* What is said loses white space at an end: flags from bit 16 on. */
enum kg_chat_slot {
    KG_CHAT_SLOT_SYSTEM,
    KG_CHAT_SLOT_FIRST,      /* the first message, after a system prompt */
    KG_CHAT_SLOT_FIRST_BARE, /* the first message without one */
    KG_CHAT_SLOT_LATER,
    KG_CHAT_SLOT_REPLY,
    KG_CHAT_SLOTS,
};
#define KG_CHAT_TRIM_LEFT(slot) (1u << (16 + 2 * (slot)))
#define KG_CHAT_TRIM_RIGHT(slot) (1u << (17 + 2 * (slot)))
#define KG_CHAT_FLAGS ((1u << 7) - 1 + (((1u << 2 * KG_CHAT_SLOTS) - 1) << 16)) /* all that mean something */

struct kg_chat {
    struct kg_text piece[KG_CHAT_PIECES]; /* within the blob */
    uint32_t flags;
    char family[17];
    bool plain; /* for the caller to set: replies without thinking aloud, where there is KG_CHAT_ASK_PLAIN */
};

/* Refuses a blob that is damaged. */
enum kg_status kg_chat_open(struct kg_chat *chat, const void *blob, uint64_t size, struct kg_error *error);

#define KG_CHAT_FRAGMENTS 8

/* What stands before a reply: if `first`, of the first message with the system prompt (`system.n` 0, or refused: without), else of a later
 * one, beginning with what ends the reply before it. The last fragment is always KG_CHAT_ASK or _ASK_PLAIN. Returns how many there are.
 * The fragments point into the blob, `system` and `message`. */
size_t kg_chat_turn(const struct kg_chat *chat, bool first, struct kg_text system, struct kg_text message,
                    struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

/* An earlier reply as the template shows it, in place of the last fragment of its turn and of the tokens that were generated. For a
 * conversation that comes from elsewhere; and, where KG_CHAT_REWRITES is set, for the last reply before the next turn: forget the context from
 * the turn's last fragment on, and feed these. */
size_t kg_chat_reply(const struct kg_chat *chat, struct kg_text reply, struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

/* The special token that KG_CHAT_END is: a generation ends there too, besides kg_vocab_ends. KG_NO_TOKEN: then KG_CHAT_END is a stop
 * string, if it is not empty. */
uint32_t kg_chat_end_token(const struct kg_chat *chat, const struct kg_vocab *vocab);

#endif

/* The chat template of a model, as the host has taken it apart (kgpt_build/chat): pieces of text between which the
 * kernel puts what is said. A blob, so that it can stand in an image or come as a boot module:
 *
 *   char magic[4] "KGCT"; uint32_t version (2), size (bytes of the whole), crc32 (of what follows these 16 bytes),
 *   flags (enum kg_chat_flag and kg_chat_trim), n_pieces (KG_CHAT_PIECES), { uint32_t offset, length; }
 *   pieces[n_pieces] (offsets from the start of the blob), char family[16] (NUL-padded), then the texts. Little endian.
 *
 * A conversation is [system prompt], message, reply, message, reply, …, message. The context holds
 *
 *   kg_chat_turn(first)  the reply's tokens  kg_chat_turn(!first)  the reply's tokens  …
 *
 * and the token that ended a reply is not fed: the next turn begins with it, as the template has it. A BOS token
 * stands before everything if KG_CHAT_BOS is set or vocab->add_bos, unless the first token of the first turn is one
 * already. */
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
    KG_CHAT_KEPT_PRE,       /* instead of KG_CHAT_TOLD, before the thought of an earlier reply that is kept */
    KG_CHAT_KEPT_POST,      /* between that thought and the answer */
    KG_CHAT_LONE_PRE,       /* instead of KG_CHAT_TOLD, before a reply with only one of <think> and </think> */
    KG_CHAT_SYSTEM_WORDS,   /* words that a system prompt cannot hold, each but the last ended by a NUL */
    KG_CHAT_MESSAGE_WORDS,  /* … and a message of the user */
    KG_CHAT_PIECES,
};

enum kg_chat_flag {
    KG_CHAT_BOS = 1u << 0,            /* the template begins with a BOS token */
    KG_CHAT_SYSTEM_REFUSED = 1u << 1, /* it takes no system prompt */
    KG_CHAT_SYSTEM_MOVES = 1u
        << 2,                   /* it puts the system prompt before the last message; here it stays before the first */
    KG_CHAT_NO_BLANK = 1u << 3, /* a message of nothing but white space would not stand there as the template has it */
    KG_CHAT_REWRITES = 1u << 6, /* an earlier reply does not stand as it was generated: see kg_chat_reply */
};

/* What becomes of an earlier reply, which may hold a thought: <think> … </think>. The opening tag may stand in
 * KG_CHAT_ASK instead. */
enum kg_chat_thoughts {
    KG_CHAT_DROPS_THOUGHTS = 1u << 4,       /* the answer stands there without the thought */
    KG_CHAT_DROPS_NEWLINES = 1u << 5,       /* the answer behind a thought loses its leading newlines */
    KG_CHAT_KEEPS_THOUGHTS = 1u << 7,       /* a thought that is not empty stands between KEPT_PRE and KEPT_POST */
    KG_CHAT_NEEDS_START = 1u << 8,          /* only <think> and </think> together make a thought */
    KG_CHAT_FIRST_END = 1u << 9,            /* the answer begins behind the first </think>, not the last */
    KG_CHAT_ONE_PART = 1u << 10,            /* … and ends before the second one */
    KG_CHAT_ANSWER_LEFT = 1u << 11,         /* the answer behind a thought loses the white space at its left */
    KG_CHAT_ANSWER_RIGHT = 1u << 12,        /* … and at its right */
    KG_CHAT_REPLY_NEWLINES = 1u << 13,      /* a reply without a thought loses its leading newlines */
    KG_CHAT_THOUGHT_SPACE = 1u << 14,       /* a kept thought loses white space at both ends, not newlines alone */
    KG_CHAT_LONE_TAG = 1u << 15,            /* a reply with one of the two tags stands, trimmed, behind LONE_PRE */
    KG_CHAT_ANSWER_END_NEWLINES = 1u << 26, /* the answer behind a thought loses its trailing newlines */
    KG_CHAT_NEWLINES_KEPT = 1u << 27        /* a thought of nothing but newlines is no empty one */
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
#define KG_CHAT_FLAGS ((1u << 28) - 1) /* all that mean something */

struct kg_chat {
    struct kg_text piece[KG_CHAT_PIECES]; /* within the blob */
    uint32_t flags;
    char family[17];
    bool plain; /* for the caller to set: replies without thinking aloud, where there is KG_CHAT_ASK_PLAIN */
};

/* Refuses a blob that is damaged. */
enum kg_status kg_chat_open(struct kg_chat *chat, const void *blob, uint64_t size, struct kg_error *error);

#define KG_CHAT_FRAGMENTS 8

/* What stands before a reply: if `first`, of the first message with the system prompt (`system.n` 0, or refused:
 * without), else of a later one, beginning with what ends the reply before it. The last fragment is always
 * KG_CHAT_ASK or _ASK_PLAIN. Returns how many there are. The fragments point into the blob, `system` and `message`. */
size_t kg_chat_turn(const struct kg_chat *chat, bool first, struct kg_text system, struct kg_text message,
                    struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

/* An earlier reply as the template shows it, in place of the last fragment of its turn and of the tokens that were
 * generated. For a conversation that comes from elsewhere; and, where KG_CHAT_REWRITES is set, for the last reply
 * before the next turn: forget the context from the turn's last fragment on, and feed these. */
size_t kg_chat_reply(const struct kg_chat *chat, struct kg_text reply, struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

/* The first word in `system` or `message` that the template gives another meaning than that of its letters, so that
 * the pieces cannot say what it would say: such a text is refused. No data: there is none. Within the blob, not
 * ended by a NUL. */
struct kg_text kg_chat_refused(const struct kg_chat *chat, struct kg_text system, struct kg_text message);

/* The special token that KG_CHAT_END is: a generation ends there too, besides kg_vocab_ends. KG_NO_TOKEN: then
 * KG_CHAT_END is a stop string, if it is not empty. */
uint32_t kg_chat_end_token(const struct kg_chat *chat, const struct kg_vocab *vocab);

#endif

/* The chat template of a model, which the host (kgpt_build/chat) has reduced to pieces of text. The kernel
 * concatenates the pieces with the system prompt, messages and replies. The pieces are a blob, stored in the kernel
 * or loaded as a boot module:
 *
 *   char magic[4] "KGCT"; uint32_t version (3), size (bytes of the blob), crc32 (of the bytes after the first 16),
 *   flags (enum kg_chat_flag, kg_chat_thoughts and trims), n_pieces (KG_CHAT_PIECES), step_flags (KG_CHAT_RULE),
 *   { uint32_t offset, length; } pieces[n_pieces] (offsets from the start of the blob),
 *   char family[16] (NUL-padded), then the texts. Little endian.
 *
 * A conversation is [system prompt], message, reply, message, reply, …, message. Where the template has tools
 * (kg_chat_takes_tools), a reply may call some; their results stand between it and the next reply. The context holds
 *
 *   kg_chat_turn(first)  the reply's tokens  kg_chat_turn(!first)  the reply's tokens  …
 *
 * The token that ended a reply is not computed: the next turn begins with it, as in the template. A BOS token comes
 * first if KG_CHAT_BOS or vocab->add_bos is set, unless the first turn begins with one. */
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
    KG_CHAT_BARE_PRE,   /* before the first message if there is no system prompt; includes the template's default one */
    KG_CHAT_SYSTEM_PRE, /* before a system prompt */
    KG_CHAT_SYSTEM_POST,    /* between the system prompt and the first message */
    KG_CHAT_ASK,            /* between a message and the reply that is generated */
    KG_CHAT_ASK_PLAIN,      /* KG_CHAT_ASK without thinking; empty: the template has no such switch */
    KG_CHAT_TOLD,           /* between a message and an earlier reply that is rendered as text */
    KG_CHAT_NEXT,           /* between a reply and the next message */
    KG_CHAT_END,            /* end of a reply: a special token or a stop string; may be empty */
    KG_CHAT_DEFAULT_SYSTEM, /* the template's default system prompt, for display; may be empty */
    KG_CHAT_KEPT_PRE,       /* replaces KG_CHAT_TOLD before the kept thought of an earlier reply */
    KG_CHAT_KEPT_POST,      /* between a kept thought and the answer */
    KG_CHAT_LONE_PRE,       /* replaces KG_CHAT_TOLD before a reply that has only one of <think> and </think> */
    KG_CHAT_SYSTEM_WORDS,   /* words that a system prompt must not contain, separated by NUL */
    KG_CHAT_MESSAGE_WORDS,  /* words that a message must not contain, separated by NUL */

    /* Tools, all empty where the template has none of a known form. A tool and the arguments of a call are JSON. */
    KG_CHAT_TOOLS_BARE,     /* replaces KG_CHAT_BARE_PRE: before the first tool if there is no system prompt */
    KG_CHAT_TOOLS_SYSTEM,   /* replaces KG_CHAT_SYSTEM_PRE */
    KG_CHAT_TOOLS_LIST,     /* between the system prompt and the first tool */
    KG_CHAT_TOOLS_NEXT,     /* between two tools */
    KG_CHAT_TOOLS_END,      /* between the last tool and the first message */
    KG_CHAT_CALL_PRE,       /* before the name in the first call of a reply without a text */
    KG_CHAT_CALL_SAID,      /* the same behind the text of the reply: white space, then KG_CHAT_CALL_PRE */
    KG_CHAT_CALL_ARGUMENTS, /* between the name and the arguments */
    KG_CHAT_CALL_NEXT,      /* between the arguments and the name of the next call */
    KG_CHAT_CALL_POST,      /* behind the arguments of the last call */
    KG_CHAT_CALL_OPEN,      /* what a call begins with: <tool_call>. Behind it stands {"name": …, "arguments": …} */
    KG_CHAT_CALL_CLOSE,     /* what a call ends with */
    KG_CHAT_RESULT_PRE,     /* between a reply with calls and the first result */
    KG_CHAT_RESULT_NEXT,    /* between two results */
    KG_CHAT_RESULT_POST,    /* behind the last result, before what stands behind a message */
    /* KG_CHAT_KEPT_PRE and so on for replies behind the last message of the user: kg_chat_step. */
    KG_CHAT_STEP_KEPT_PRE,
    KG_CHAT_STEP_KEPT_POST,
    KG_CHAT_STEP_LONE_PRE,
    KG_CHAT_PIECES,
};

enum kg_chat_flag {
    KG_CHAT_BOS = 1u << 0,            /* the template begins with a BOS token */
    KG_CHAT_SYSTEM_REFUSED = 1u << 1, /* the template accepts no system prompt */
    /* The template puts the system prompt before the last message; the kernel keeps it before the first. */
    KG_CHAT_SYSTEM_MOVES = 1u << 2,
    KG_CHAT_NO_BLANK = 1u << 3, /* the template renders a message of only white space differently */
    KG_CHAT_REWRITES = 1u << 6, /* an earlier reply is rendered differently than it was generated: see kg_chat_reply */
    KG_CHAT_ROWS = 1u << 28,    /* KG_CHAT_NEXT also stands between two messages of the user in a row */
};

/* How the template renders an earlier reply with a thought: <think> … </think>. The opening tag may be in
 * KG_CHAT_ASK. */
enum kg_chat_thoughts {
    KG_CHAT_DROPS_THOUGHTS = 1u << 4,  /* the thought is removed */
    KG_CHAT_DROPS_NEWLINES = 1u << 5,  /* the answer after a thought loses its leading newlines */
    KG_CHAT_KEEPS_THOUGHTS = 1u << 7,  /* a thought that is not empty is kept between KEPT_PRE and KEPT_POST */
    KG_CHAT_NEEDS_START = 1u << 8,     /* a thought needs both <think> and </think> */
    KG_CHAT_FIRST_END = 1u << 9,       /* the answer begins after the first </think>, not after the last */
    KG_CHAT_ONE_PART = 1u << 10,       /* the answer ends before the second </think> */
    KG_CHAT_ANSWER_LEFT = 1u << 11,    /* the answer after a thought loses its leading white space */
    KG_CHAT_ANSWER_RIGHT = 1u << 12,   /* the answer after a thought loses its trailing white space */
    KG_CHAT_REPLY_NEWLINES = 1u << 13, /* a reply without a thought loses its leading newlines */
    KG_CHAT_THOUGHT_SPACE = 1u << 14,  /* a kept thought loses white space at both ends, not only newlines */
    KG_CHAT_LONE_TAG = 1u << 15,       /* a reply with only one of the two tags is rendered, stripped, after LONE_PRE */
    KG_CHAT_ANSWER_END_NEWLINES = 1u << 26, /* the answer after a thought loses its trailing newlines */
    KG_CHAT_NEWLINES_KEPT = 1u << 27        /* a thought of only newlines does not count as empty */
};

/* Texts that lose white space at one end: a pair of flags for each slot, from bit 16 on. */
enum kg_chat_slot {
    KG_CHAT_SLOT_SYSTEM,
    KG_CHAT_SLOT_FIRST,      /* the first message, with a system prompt */
    KG_CHAT_SLOT_FIRST_BARE, /* the first message, without a system prompt */
    KG_CHAT_SLOT_LATER,
    KG_CHAT_SLOT_REPLY,
    KG_CHAT_SLOTS,
};
#define KG_CHAT_TRIM_LEFT(slot) (1u << (16 + 2 * (slot)))
#define KG_CHAT_TRIM_RIGHT(slot) (1u << (17 + 2 * (slot)))
#define KG_CHAT_FLAGS ((1u << 29) - 1) /* all defined flags */
/* Those of them that say how an earlier reply is rendered. */
#define KG_CHAT_RULE                                                                                                   \
    (KG_CHAT_DROPS_THOUGHTS | KG_CHAT_DROPS_NEWLINES | 0xFF80u | KG_CHAT_ANSWER_END_NEWLINES | KG_CHAT_NEWLINES_KEPT | \
     KG_CHAT_TRIM_LEFT(KG_CHAT_SLOT_REPLY) | KG_CHAT_TRIM_RIGHT(KG_CHAT_SLOT_REPLY))

struct kg_chat {
    struct kg_text piece[KG_CHAT_PIECES]; /* they point into the blob */
    uint32_t flags;
    uint32_t step_flags; /* KG_CHAT_RULE of replies behind the last message of the user */
    char family[17];
    bool plain; /* set by the caller: ask for replies without thinking, if KG_CHAT_ASK_PLAIN exists */
};

/* Checks the blob. Refuses a damaged one. */
enum kg_status kg_chat_open(struct kg_chat *chat, const void *blob, uint64_t size, struct kg_error *error);

#define KG_CHAT_FRAGMENTS 8

/* Returns the number of fragments that precede a reply. With `first`: the system prompt (unless `system.n` is 0 or
 * the template refuses it) and the first message. Otherwise: the end of the previous reply and the next message. The
 * last fragment is always KG_CHAT_ASK or KG_CHAT_ASK_PLAIN. The fragments point into the blob, `system` and
 * `message`. */
size_t kg_chat_turn(const struct kg_chat *chat, bool first, struct kg_text system, struct kg_text message,
                    struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

/* Returns the fragments that render an earlier reply. They replace the last fragment of its turn and the generated
 * tokens. Use it for a conversation that the kernel did not generate. If KG_CHAT_REWRITES is set, also use it for
 * the last reply before each next turn: truncate the context at the last fragment of the turn, and compute these
 * fragments. */
size_t kg_chat_reply(const struct kg_chat *chat, struct kg_text reply, struct kg_fragment fragments[KG_CHAT_FRAGMENTS]);

/* chat_tools.c: conversations with tools. */
static inline bool kg_chat_takes_tools(const struct kg_chat *chat)
{
    return chat->piece[KG_CHAT_CALL_OPEN].n > 0;
}

/* A call of a tool: its name, and its arguments as JSON. */
struct kg_chat_call {
    struct kg_text name, arguments;
};

/* The first turn with `n` tools, each as JSON: at most KG_CHAT_FRAGMENTS + 2 * n fragments. */
size_t kg_chat_tool_turn(const struct kg_chat *chat, struct kg_text system, const struct kg_text *tools, uint32_t n,
                         struct kg_text message, struct kg_fragment *fragments);

/* `n` calls, behind the fragments of a reply (`said`: its last one is not empty): 4 * n + 1 fragments. */
size_t kg_chat_calls(const struct kg_chat *chat, bool said, const struct kg_chat_call *calls, uint32_t n,
                     struct kg_fragment *fragments);

/* A result of a call, the first one behind its reply or a later one: 2 fragments. Behind the last one: 2 fragments, the
 * second of which asks for a reply. */
size_t kg_chat_result(const struct kg_chat *chat, bool first, struct kg_text result, struct kg_fragment *fragments);
size_t kg_chat_results_end(const struct kg_chat *chat, struct kg_fragment *fragments);

/* The template as kg_chat_reply needs it for a reply behind the last message of the user. */
struct kg_chat kg_chat_step(const struct kg_chat *chat);

/* True if the request for a reply opens a thought: the reply then has no <think>. */
bool kg_chat_opens_thought(const struct kg_chat *chat);

/* The first word in `system` or `message` that the template interprets as an instruction. The pieces cannot render
 * such a text, so callers refuse it. `data` is NULL if there is none; otherwise it points into the blob, without a
 * NUL. */
struct kg_text kg_chat_refused(const struct kg_chat *chat, struct kg_text system, struct kg_text message);

/* The id of the special token KG_CHAT_END, which ends a generation in addition to kg_vocab_ends. KG_NO_TOKEN:
 * KG_CHAT_END is a stop string, if it is not empty. */
uint32_t kg_chat_end_token(const struct kg_chat *chat, const struct kg_vocab *vocab);

#endif

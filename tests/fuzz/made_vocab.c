/* See made_vocab.h. */
#include "made_vocab.h"

#include <string.h>

#include "checked_arena.h"
#include "kgpt/vocab.h"
#include "promise.h"

/* Of the bytes of characters beyond ASCII, and of control characters, those where something begins or ends. A mask
 * takes as long to make as there are tokens. */
static const char alone[] = "\t\n\r\x1f !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
                            "abcdefghijklmnopqrstuvwxyz{|}~\x7f\x80\x8f\x90\x97\x98\x9f\xa0\xa5\xa9\xbf\xc1\xc2\xc3"
                            "\xce\xd7\xe0\xe2\xe6\xed\xef\xf0\xf4\xf5\xff"; /* and NUL */

#define N_ALONE (sizeof alone)

static const char *const words[] = {"{\"",      "\":",          "\",\"", "\"}",  "]}",    ", ", ": ",    "tr",
                                    "ue",       "true",         "null",  "fal",  "\\u00", "e1", "12",    "\xC3",
                                    "\xE6\x97", "\xF0\x9F\x98", "\xA9x", "aaaa", "aab",   "ab", "\n\t\t"};

const struct kg_vocab made_vocab = {.n_vocab = MADE_TOKENS, .longest = 8};

_Static_assert(N_ALONE + sizeof words / sizeof words[0] + 1 == MADE_END, "one token has no bytes");

size_t kg_vocab_piece(const struct kg_vocab *vocab, uint32_t token, char *out, bool special)
{
    promise(vocab == &made_vocab && token < MADE_TOKENS && !special);
    if (token < N_ALONE) {
        out[0] = alone[token];
        return 1;
    }
    if (token - N_ALONE >= sizeof words / sizeof words[0]) {
        return 0;
    }
    size_t n = strlen(words[token - N_ALONE]);
    memcpy(out, words[token - N_ALONE], n);
    return n;
}

size_t kg_vocab_bytes(const struct kg_vocab *vocab)
{
    size_t bytes = 0;
    char piece[8];
    for (uint32_t i = 0; i < vocab->n_vocab; i++) {
        bytes += kg_vocab_piece(vocab, i, piece, false);
    }
    return bytes;
}

bool kg_vocab_ends(const struct kg_vocab *vocab, uint32_t token)
{
    (void)vocab;
    return token == MADE_END;
}

void made_matchers(struct kg_matcher *matchers, uint32_t n)
{
    static struct kg_token_order order;
    struct kg_arena arena;
    struct kg_error error;
    kg_arena_init(&arena, NULL, MADE_ROOM);
    kg_token_order_carve(&order, &made_vocab, &arena);
    size_t used = arena.used;
    promise(kg_token_order_fill(&order, KG_NO_TOKEN, &arena, &error) == KG_OK && arena.used == used);
    for (uint32_t i = 0; i < n; i++) {
        kg_matcher_carve(&matchers[i], &order, &arena);
    }
    checked_arena_keep();
}

static bool is_set(const uint32_t *mask, uint32_t token)
{
    return mask[token / 32] >> token % 32 & 1;
}

void made_check_mask(struct kg_matcher *matcher, struct kg_matcher *copy, uint32_t token)
{
    char piece[8];
    uint32_t allowed, count = 0;
    const uint32_t *mask = kg_matcher_mask(matcher, &allowed);
    if (matcher->failed) {
        return;
    }
    for (uint32_t i = 0; i < MADE_TOKENS; i++) {
        count += is_set(mask, i);
    }
    promise(count == allowed);
    promise(is_set(mask, MADE_END) == kg_matcher_may_end(matcher));
    size_t n = kg_vocab_piece(&made_vocab, token, piece, false);
    kg_matcher_copy(copy, matcher);
    bool good = n && kg_matcher_bytes(copy, piece, n);
    promise(token == MADE_END || is_set(mask, token) == good);
}

bool made_go_on(struct kg_matcher *matcher, uint32_t choice, char *text, size_t *n)
{
    uint32_t allowed;
    const uint32_t *mask = kg_matcher_mask(matcher, &allowed);
    if (matcher->failed || allowed == 0) {
        return false;
    }
    choice %= allowed;
    for (uint32_t token = 0; token < MADE_TOKENS; token++) {
        if (is_set(mask, token) && choice-- == 0) {
            if (token == MADE_END) {
                return false;
            }
            *n += kg_vocab_piece(&made_vocab, token, text + *n, false);
            promise(kg_matcher_token(matcher, token));
            return true;
        }
    }
    promise(false);
    return false;
}

void made_check_refusal(enum kg_status status, const struct kg_error *error)
{
    promise(status == KG_OK || status == KG_E_INPUT || status == KG_E_MEMORY);
    promise(status == KG_OK || (error->message[0] && error->hint[0]));
}

/* Fuzzes grammars in GBNF. What is read makes texts, whose every token the mask must know. The last two bytes are how
 * much memory there is, and the choices of tokens. */
#include <string.h>

#include "checked_arena.h"
#include "made_vocab.h"
#include "promise.h"

#define MOST_STEPS 24
#define SCRATCH (64u << 10) /* clearing MADE_ROOM takes longer than all else */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kg_matcher matchers[2];

static void make_text(const struct kg_grammar *grammar, uint8_t choice)
{
    char text[MOST_STEPS * 8 + 8];
    size_t n = 0;
    kg_matcher_begin(&matchers[0], grammar);
    for (uint32_t step = 0; step < MOST_STEPS; step++) {
        made_check_mask(&matchers[0], &matchers[1], (choice * 37u + step * 101u) % MADE_TOKENS);
        if (!made_go_on(&matchers[0], choice * 7u + step * 13u, text, &n)) {
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_arena arena, scratch;
    struct kg_grammar grammar;
    struct kg_error error = {0};
    if (size < 2) {
        return 0;
    }
    if (!matchers[0].tables) {
        made_matchers(matchers, 2);
    }
    const struct kg_text text = {(const char *)data, size - 2};
    uint32_t little = data[size - 2];
    kg_arena_init(&arena, NULL, little % 16 == 1 ? 512 : MADE_ROOM);
    kg_arena_init(&scratch, NULL, !little ? MADE_ROOM : little % 4 ? little * 64 : SCRATCH);
    enum kg_status status = kg_grammar_read(&grammar, text, &arena, &scratch, &error);
    made_check_refusal(status, &error);
    promise(scratch.used == 0 && (status == KG_OK || arena.used == 0));
    if (status == KG_OK) {
        make_text(&grammar, data[size - 1]);
    }
    checked_arena_free();
    return 0;
}

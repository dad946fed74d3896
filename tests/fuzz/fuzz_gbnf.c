/* Fuzzes grammars in GBNF. What is read makes texts, whose every token the mask must know. The last two bytes are how
 * much memory there is, and the choices of tokens. */
#include <string.h>

#include "checked_arena.h"
#include "made_vocab.h"
#include "promise.h"

#define MOST_STEPS 24
#define ROOM (1u << 22)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_text(const struct kg_grammar *grammar, uint8_t choice)
{
    struct kg_arena arena;
    struct kg_token_order order;
    struct kg_matcher matcher, copy;
    char text[MOST_STEPS * 8 + 8];
    size_t n = 0;
    kg_arena_init(&arena, NULL, ROOM);
    made_matcher(&matcher, &order, &arena);
    kg_matcher_carve(&copy, &order, &arena);
    kg_matcher_begin(&matcher, grammar);
    for (uint32_t step = 0; step < MOST_STEPS; step++) {
        made_check_mask(&matcher, &copy, (choice * 37u + step * 101u) % MADE_TOKENS);
        if (!made_go_on(&matcher, choice * 7u + step * 13u, text, &n)) {
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
    const struct kg_text text = {(const char *)data, size - 2};
    uint32_t little = data[size - 2];
    kg_arena_init(&arena, NULL, little % 16 == 1 ? 512 : ROOM);
    kg_arena_init(&scratch, NULL, little % 4 == 0 ? ROOM : little * 64);
    enum kg_status status = kg_grammar_read(&grammar, text, &arena, &scratch, &error);
    made_check_refusal(status, &error);
    promise(scratch.used == 0 && (status == KG_OK || arena.used == 0));
    if (status == KG_OK) {
        make_text(&grammar, data[size - 1]);
    }
    checked_arena_free();
    return 0;
}

/* Fuzzes JSON schemas. A whole text of what is read must be JSON. The last two bytes are how much memory there is, and
 * the choices of tokens. */
#include <string.h>

#include "checked_arena.h"
#include "kgpt/grammar_schema.h"
#include "made_vocab.h"
#include "promise.h"

#define MOST_STEPS 80
#define MOST_VALUES 512
#define SCRATCH (128u << 10) /* clearing MADE_ROOM takes longer than all else */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kg_matcher matcher;

static void make_json(const struct kg_grammar *grammar, uint8_t choice)
{
    struct kg_json_value values[MOST_VALUES];
    struct kg_json_tree tree = {.values = values, .room = MOST_VALUES};
    char text[MOST_STEPS * 8 + 8];
    size_t n = 0;
    uint32_t random = choice * 2654435761u + 1;
    kg_matcher_begin(&matcher, grammar);
    for (uint32_t step = 0; step < MOST_STEPS; step++) {
        random = random * 1664525u + 1013904223u;
        if (!made_go_on(&matcher, random >> 8, text, &n)) {
            break;
        }
    }
    if (!matcher.failed && kg_matcher_may_end(&matcher)) {
        promise(kg_json_read(&tree, text, n) || tree.n == MOST_VALUES ||
                strcmp(tree.problem, "it is nested too deeply") == 0);
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
    if (!matcher.tables) {
        made_matchers(&matcher, 1);
    }
    const struct kg_text text = {(const char *)data, size - 2};
    uint32_t little = data[size - 2];
    kg_arena_init(&arena, NULL, little % 16 == 1 ? 512 : MADE_ROOM);
    kg_arena_init(&scratch, NULL, !little ? MADE_ROOM : little % 4 ? little * 512 : SCRATCH);
    enum kg_status status = kg_grammar_read_schema(&grammar, text, &arena, &scratch, &error);
    made_check_refusal(status, &error);
    promise(scratch.used == 0 && (status == KG_OK || arena.used == 0));
    if (status == KG_OK) {
        make_json(&grammar, data[size - 1]);
    }
    checked_arena_free();
    return 0;
}

/* Fuzzes a matcher with tables that are soon full. The first byte chooses the grammar; each further byte takes a
 * byte or a token, which fits or not, or begins anew. Whatever was matched before, a text leads to the same mask. */
#include <string.h>

#include "checked_arena.h"
#include "infer/constrain/states.h"
#include "made_vocab.h"
#include "promise.h"

#define MOST_TEXT 512
#define MOST_MASKS 2 /* of an input, to choose by: each costs more than all else */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LISTS                                                               \
    "root ::= v\nv ::= \"[\" (v (\",\" v)*)? \"]\" | \"{\" s \":\" v \"}\"" \
    " | s | \"1\"+\ns ::= \"\\\"\" [^\"\\\\]{0,9} \"\\\"\""

static const char *const grammars[] = {
    LISTS,
    "root ::= \"a\"{0,30} (\"aa\" | \"ab\"){2,20} \"b\"*",
    "root ::= (\"(\" root \")\" | \"x\" | e)*\ne ::= \"\" | \"y\" e \"z\"",
    "root ::= [\\u00e0-\\u9fff\\U0001F600-\\U0001F64F]* \"true\"? ([a-f]{2} | \"a\"){3,} | \"null\"",
    "root ::= ((\"a\"? \"b\"?){3} \",\"?)*",
};

#define N_GRAMMARS (sizeof grammars / sizeof grammars[0])

struct run {
    struct kg_grammar all[N_GRAMMARS];
    const struct kg_grammar *grammar;
    struct kg_matcher matcher, fresh;
    char text[MOST_TEXT + 16];
    size_t n;
    uint32_t masks;
    bool good;
};

/* Another matcher, which has seen only this text, has the same mask. */
static void check_fresh(struct run *r, uint32_t token)
{
    uint32_t allowed, n;
    const uint32_t *mask = kg_matcher_mask(&r->matcher, &allowed);
    kg_matcher_begin(&r->fresh, r->grammar);
    bool good = kg_matcher_bytes(&r->fresh, r->text, r->n);
    if (r->matcher.failed || r->fresh.failed) {
        r->good = false; /* too many ways for these tables */
        return;
    }
    promise(good && kg_matcher_may_end(&r->fresh) == kg_matcher_may_end(&r->matcher));
    const uint32_t *same = kg_matcher_mask(&r->fresh, &n);
    if (!r->fresh.failed) {
        promise(n == allowed && memcmp(mask, same, r->matcher.n_words * sizeof *mask) == 0);
        made_check_mask(&r->matcher, &r->fresh, token);
    }
}

static void take_byte(struct run *r, uint8_t byte)
{
    char c = (char)byte;
    r->good = kg_matcher_bytes(&r->matcher, &c, 1);
    r->text[r->n++] = c;
}

/* Goes on with the next byte from `byte` on that fits. */
static void take_fitting(struct run *r, uint8_t byte)
{
    for (uint32_t i = 0; i < 256 && !r->matcher.failed; i++) {
        uint8_t next = (uint8_t)(byte * 37u + i * 101u);
        if (kg_match_step(&r->matcher, 0, next)) {
            take_byte(r, next);
            return;
        }
    }
    r->good = false;
}

static void take_token(struct run *r, uint32_t token)
{
    r->good = kg_matcher_token(&r->matcher, token);
    r->n += kg_vocab_piece(&made_vocab, token, r->text + r->n, false);
}

static void take(struct run *r, uint8_t byte)
{
    struct kg_matcher *m = &r->matcher;
    if (byte == 0xFF || !r->good || r->n >= MOST_TEXT) {
        kg_matcher_begin(m, r->grammar);
        r->n = 0;
        r->good = true;
    } else if (byte >= 0xE0) {
        take_token(r, MADE_END - 1 - (byte & 31));
    } else if (byte < 0x80) {
        take_byte(r, byte);
    } else if (byte < 0xD0 || r->masks == MOST_MASKS) {
        take_fitting(r, byte);
    } else {
        r->masks++;
        r->good = made_go_on(m, byte, r->text, &r->n);
    }
}

/* Grammars and matchers, once: they take longer to make than most inputs take to run. */
static void make_run(struct run *r)
{
    struct kg_matcher matchers[2];
    struct kg_arena arena, scratch;
    struct kg_error error;
    made_matchers(matchers, 2);
    r->matcher = matchers[0];
    r->fresh = matchers[1];
    kg_arena_init(&arena, NULL, MADE_ROOM);
    kg_arena_init(&scratch, NULL, MADE_ROOM);
    for (size_t i = 0; i < N_GRAMMARS; i++) {
        const struct kg_text text = {grammars[i], strlen(grammars[i])};
        promise(kg_grammar_read(&r->all[i], text, &arena, &scratch, &error) == KG_OK);
    }
    checked_arena_keep();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run r;
    if (size < 1) {
        return 0;
    }
    if (!r.grammar) {
        make_run(&r);
    }
    r.grammar = &r.all[data[0] % N_GRAMMARS];
    kg_matcher_begin(&r.matcher, r.grammar);
    r.n = 0;
    r.masks = 0;
    r.good = !r.matcher.failed;
    for (size_t i = 1; i < size; i++) {
        take(&r, data[i]);
    }
    if (r.good) {
        check_fresh(&r, data[size - 1] * 3u % MADE_TOKENS);
    }
    return 0;
}

/* Self-tests of grammars, by bytes: what a vocabulary makes of them is tested on the host. */
#include "kgpt/grammar_schema.h"
#include "kgpt/matcher.h"
#include "kgpt/test.h"

/* A matcher without tokens. */
static void carve_bare_matcher(struct kg_matcher *matcher, struct kg_token_order *order, struct kg_vocab *vocab,
                               struct kg_arena *arena)
{
    *vocab = (struct kg_vocab){.n_vocab = 1, .longest = 1};
    *order = (struct kg_token_order){.vocab = vocab};
    kg_matcher_carve(matcher, order, arena);
}

/* 0: it does not fit; 1: it is a part; 2: it is whole. */
static int fit_text(struct kg_matcher *matcher, const struct kg_grammar *grammar, const char *text)
{
    kg_matcher_begin(matcher, grammar);
    return !kg_matcher_bytes(matcher, text, kg_strlen(text)) ? 0 : kg_matcher_may_end(matcher) ? 2 : 1;
}

KG_TEST(grammar, rules)
{
    const char *text = "root ::= item (\",\" item){1,2}\nitem ::= [0-9]+ | \"(\" root \")\" | \"\\u00e9\"";
    struct kg_arena program;
    struct kg_grammar grammar;
    struct kg_matcher matcher;
    struct kg_token_order order;
    struct kg_vocab vocab;
    struct kg_error error;
    carve_bare_matcher(&matcher, &order, &vocab, t->arena);
    void *memory = kg_arena_take(t->arena, 4096);
    kg_arena_init(&program, memory, 4096);
    KG_CHECK_EQ(t, kg_grammar_read(&grammar, (struct kg_text){text, kg_strlen(text)}, &program, t->arena, &error),
                KG_OK);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "1,22"), 2);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "(1,(2,3)),\xC3\xA9,7"), 2);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "(1,(2,3"), 1);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "1,2,3,4"), 0);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "\xC3\xA8"), 0);
    KG_CHECK_EQ(t, kg_grammar_read(&grammar, (struct kg_text){"root ::= root", 13}, &program, t->arena, &error),
                KG_E_INPUT);
}

KG_TEST(grammar, schema)
{
    const char *text =
        "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":9,\"maximum\":120}},"
        "\"required\":[\"n\"],\"additionalProperties\":{\"type\":\"null\"}}";
    struct kg_arena program;
    struct kg_grammar grammar;
    struct kg_matcher matcher;
    struct kg_token_order order;
    struct kg_vocab vocab;
    struct kg_error error;
    carve_bare_matcher(&matcher, &order, &vocab, t->arena);
    void *memory = kg_arena_take(t->arena, 16384);
    kg_arena_init(&program, memory, 16384);
    KG_CHECK_EQ(t,
                kg_grammar_read_schema(&grammar, (struct kg_text){text, kg_strlen(text)}, &program, t->arena, &error),
                KG_OK);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "{\"n\":9}"), 2);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "{ \"n\": 120, \"m\":null}"), 2);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "{\"n\":12"), 1);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "{\"n\":121}"), 0);
    KG_CHECK_EQ(t, fit_text(&matcher, &grammar, "{\"n\":8}"), 0);
}

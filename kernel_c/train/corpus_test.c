#include "kgpt/train_corpus.h"
#include "kgpt/train_shape.h"

#include "kgpt/test.h"

static enum kg_status read_corpus_lines(struct kg_test *t, const char *text, struct kg_corpus *corpus,
                                        struct kg_error *error)
{
    return kg_corpus_read(corpus, text, kg_strlen(text), 0, t->arena, error);
}

static enum kg_status read_corpus_blocks(struct kg_test *t, const char *text, uint32_t block, struct kg_corpus *corpus,
                                         struct kg_error *error)
{
    return kg_corpus_read(corpus, text, kg_strlen(text), block, t->arena, error);
}

KG_TEST(corpus, running_text_in_blocks)
{
    struct kg_corpus corpus;
    struct kg_error error;
    KG_CHECK_EQ(t, read_corpus_blocks(t, "ab\r\n a\r\xC3\xA9", 3, &corpus, &error), KG_OK);
    static const uint32_t chars[] = {'\n', ' ', 'a', 'b', 0xE9};
    static const uint32_t tokens[] = {2, 3, 0, 1, 2, 0, 4}, start[] = {0, 3, 6, 7};
    KG_CHECK_EQ(t, corpus.n_chars, 5);
    KG_CHECK_EQ(t, corpus.n_documents, 3);
    KG_CHECK_EQ(t, corpus.n_tokens, 7);
    KG_CHECK_EQ(t, corpus.longest, 3);
    for (uint32_t i = 0; i < 5; i++) {
        KG_CHECK_EQ(t, corpus.chars[i], chars[i]);
    }
    for (uint32_t i = 0; i < 7; i++) {
        KG_CHECK_EQ(t, corpus.tokens[i], tokens[i]);
    }
    for (uint32_t i = 0; i <= 3; i++) {
        KG_CHECK_EQ(t, corpus.start[i], start[i]);
    }
    KG_CHECK_EQ(t, read_corpus_blocks(t, "abcd", 2, &corpus, &error), KG_OK);
    KG_CHECK_EQ(t, corpus.n_documents, 2); /* and not an empty one at the end */
    KG_CHECK_EQ(t, read_corpus_blocks(t, "ab\ncd\xFF", 2, &corpus, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "line 2 of the corpus: byte 0xff at byte 3 of the line is not UTF-8");
    KG_CHECK_EQ(t, read_corpus_blocks(t, "", 2, &corpus, &error), KG_E_INPUT);
}

KG_TEST(corpus, documents_and_characters)
{
    struct kg_corpus corpus;
    struct kg_error error;
    KG_CHECK_EQ(t, read_corpus_lines(t, "ba\n\n  c b \r\n\t\xC2\xA0\rz\xC3\xA9\xF0\x9F\x98\x80", &corpus, &error),
                KG_OK);
    static const uint32_t chars[] = {' ', 'a', 'b', 'c', 'z', 0xE9, 0x1F600};
    static const uint32_t tokens[] = {2, 1, 3, 0, 2, 4, 5, 6}, start[] = {0, 2, 5, 8};
    KG_CHECK_EQ(t, corpus.n_chars, 7);
    KG_CHECK_EQ(t, corpus.bos_id, 7);
    KG_CHECK_EQ(t, corpus.n_vocab, 8);
    KG_CHECK_EQ(t, corpus.n_documents, 3);
    KG_CHECK_EQ(t, corpus.n_tokens, 8);
    for (uint32_t i = 0; i < 7; i++) {
        KG_CHECK_EQ(t, corpus.chars[i], chars[i]);
    }
    for (uint32_t i = 0; i < 8; i++) {
        KG_CHECK_EQ(t, corpus.tokens[i], tokens[i]);
    }
    for (uint32_t i = 0; i <= 3; i++) {
        KG_CHECK_EQ(t, corpus.start[i], start[i]);
    }
}

KG_TEST(corpus, a_byte_order_mark_is_no_character)
{
    struct kg_corpus corpus;
    struct kg_error error;
    KG_CHECK_EQ(t,
                read_corpus_lines(t,
                                  "\xEF\xBB\xBF"
                                  "ab\nb",
                                  &corpus, &error),
                KG_OK);
    KG_CHECK_EQ(t, corpus.n_chars, 2);
    KG_CHECK_EQ(t, corpus.n_tokens, 3);
    KG_CHECK_EQ(t,
                read_corpus_blocks(t,
                                   "\xEF\xBB\xBF"
                                   "ab\xEF\xBB\xBF",
                                   3, &corpus, &error),
                KG_OK);
    KG_CHECK_EQ(t, corpus.n_chars, 3); /* elsewhere it is one */
}

KG_TEST(corpus, longest_document_and_its_line)
{
    struct kg_corpus corpus;
    struct kg_error error;
    KG_CHECK_EQ(t, read_corpus_lines(t, "ab\r\n\r\nabcd\rabc\n", &corpus, &error), KG_OK);
    KG_CHECK_EQ(t, corpus.longest, 4);
    KG_CHECK_EQ(t, corpus.longest_line, 3);
}

KG_TEST(corpus, text_of_tokens)
{
    struct kg_corpus corpus;
    struct kg_error error;
    char out[8];
    KG_CHECK_EQ(t, read_corpus_lines(t, "a\xE2\x82\xAC\xC3\xA9", &corpus, &error), KG_OK);
    static const uint32_t tokens[] = {1, 0, 3, 2}; /* é a BOS € */
    KG_CHECK_EQ(t, kg_corpus_text(&corpus, tokens, 4, out, sizeof out), 6);
    KG_CHECK_TEXT(t, out,
                  "\xC3\xA9"
                  "a\xE2\x82\xAC");
    KG_CHECK_EQ(t, kg_corpus_text(&corpus, tokens, 4, out, 6), 6);
    KG_CHECK_TEXT(t, out,
                  "\xC3\xA9"
                  "a"); /* no half of a character */
}

KG_TEST(corpus, refusals_name_the_line)
{
    static const struct {
        const char *text, *message;
    } wrong[] = {
        {"", "the corpus is empty: no text on any of its 0 lines"},
        {" \n\t\r\n", "the corpus is empty: no text on any of its 2 lines"},
        {"\naa\na", "the corpus has one distinct character, U+0061, first on line 2: there is nothing to learn"},
        {"ok\nok\n ab\xFF", "line 3 of the corpus: byte 0xff at byte 4 of the line is not UTF-8"},
        {"\xC3\nb", "line 1 of the corpus: byte 0xc3 at byte 1 of the line is not UTF-8"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct kg_corpus corpus;
        struct kg_error error;
        KG_CHECK_EQ(t, read_corpus_lines(t, wrong[i].text, &corpus, &error), KG_E_INPUT);
        KG_CHECK_TEXT(t, error.message, wrong[i].message);
        KG_CHECK(t, error.hint[0] != '\0');
    }
}

KG_TEST(corpus, takes_what_it_counts)
{
    struct kg_corpus corpus;
    struct kg_error error;
    size_t before = t->arena->used;
    KG_CHECK_EQ(t, read_corpus_lines(t, "abc\nab", &corpus, &error), KG_OK);
    /* three arrays, and while it is read a bit for each code point at the end of the arena */
    size_t taken = 3 * KG_ARENA_ALIGN, needed = taken + 0x110000 / 8 + KG_ARENA_ALIGN;
    KG_CHECK_EQ(t, t->arena->used - before, taken);
    struct kg_arena small = *t->arena;
    small.size = small.used + needed;
    KG_CHECK_EQ(t, kg_corpus_read(&corpus, "abc\nab", 6, 0, &small, &error), KG_OK);
    small = *t->arena;
    small.size = small.used + needed - 1;
    KG_CHECK_EQ(t, kg_corpus_read(&corpus, "abc\nab", 6, 0, &small, &error), KG_E_MEMORY);
    KG_CHECK_EQ(t, small.used, t->arena->used);
    small.size = small.used + 100;
    KG_CHECK_EQ(t, kg_corpus_read(&corpus, "abc\nab", 6, 0, &small, &error), KG_E_MEMORY);
}

KG_TEST(shape, layout_of_the_default)
{
    const struct kg_shape shape = {.n_vocab = 27, .n_ctx = 16, .n_embd = 16, .n_layer = 1, .n_head = 4, .n_ff = 64};
    struct kg_error error;
    struct kg_layout layout = kg_layout_of(&shape);
    KG_CHECK_EQ(t, kg_shape_check(&shape, &error), KG_OK);
    KG_CHECK_EQ(t, layout.n_parameters, 4192);
    KG_CHECK_EQ(t, layout.wpe, 432);
    KG_CHECK_EQ(t, layout.lm_head, 688);
    KG_CHECK_EQ(t, layout.layers, 1120);
    KG_CHECK_EQ(t, layout.fc2, 2048);
}

KG_TEST(shape, refusals)
{
    const struct kg_shape good = {.n_vocab = 27, .n_ctx = 16, .n_embd = 16, .n_layer = 1, .n_head = 4, .n_ff = 64};
    struct kg_shape shape = good;
    struct kg_error error;
    shape.n_head = 5;
    KG_CHECK_EQ(t, kg_shape_check(&shape, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "n_embd, 16, is not divisible by n_head, 5");
    shape = good;
    shape.n_layer = 0;
    KG_CHECK_EQ(t, kg_shape_check(&shape, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "n_layer is 0");
    shape = good;
    shape.n_embd = 1u << 20;
    KG_CHECK_EQ(t, kg_shape_check(&shape, &error), KG_E_INPUT);
    struct kg_adam adam = kg_adam_defaults();
    KG_CHECK_EQ(t, kg_adam_check(&adam, &error), KG_OK);
    adam.beta2 = 1;
    KG_CHECK_EQ(t, kg_adam_check(&adam, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "beta2 is out of range");
    adam = kg_adam_defaults();
    adam.lr = __builtin_nan("");
    KG_CHECK_EQ(t, kg_adam_check(&adam, &error), KG_E_INPUT);
    adam = kg_adam_defaults();
    adam.steps = 0;
    KG_CHECK_EQ(t, kg_adam_check(&adam, &error), KG_E_INPUT);
}

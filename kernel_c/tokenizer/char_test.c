#include "kgpt/test.h"
#include "kgpt/tokenizer.h"

/* "a", "b", "ab" (longer than both), U+00E9, U+20AC, BOS */
static const struct {
    uint32_t offset[7];
    char text[10];
} table = {{0, 1, 2, 4, 6, 9, 9}, "abab\xC3\xA9\xE2\x82\xAC"};
#define TABLE_SIZE (sizeof table.offset + 9)

static enum kg_status open(struct kg_tokenizer *tokenizer, struct kg_error *error)
{
    return kg_tokenizer_open(tokenizer, &table, TABLE_SIZE, 6, 5, error);
}

KG_TEST(tokenizer, encodes_the_longest_match)
{
    struct kg_tokenizer tokenizer;
    struct kg_error error;
    uint32_t tokens[8];
    size_t n;
    KG_CHECK_EQ(t, open(&tokenizer, &error), KG_OK);
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "aabb", tokens, 8, &n, &error), KG_OK);
    KG_CHECK_EQ(t, n, 3);
    KG_CHECK(t, tokens[0] == 0 && tokens[1] == 2 && tokens[2] == 1);
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "", tokens, 8, &n, &error), KG_OK);
    KG_CHECK_EQ(t, n, 0);
}

KG_TEST(tokenizer, utf8_round_trip)
{
    struct kg_tokenizer tokenizer;
    struct kg_error error;
    uint32_t tokens[8];
    size_t count, n;
    KG_CHECK_EQ(t, open(&tokenizer, &error), KG_OK);
    KG_CHECK_EQ(t, tokenizer.longest, 3);
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "\xE2\x82\xAC\xC3\xA9", tokens, 8, &count, &error), KG_OK);
    KG_CHECK(t, count == 2 && tokens[0] == 4 && tokens[1] == 3);
    KG_CHECK(t, kg_tokenizer_decode(&tokenizer, 4, &n) == table.text + 6 && n == 3);
    kg_tokenizer_decode(&tokenizer, tokenizer.bos_id, &n);
    KG_CHECK_EQ(t, n, 0);
}

KG_TEST(tokenizer, counts_past_the_room)
{
    struct kg_tokenizer tokenizer;
    struct kg_error error;
    uint32_t tokens[3] = {99, 99, 99};
    size_t n;
    KG_CHECK_EQ(t, open(&tokenizer, &error), KG_OK);
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "bbbb", tokens, 2, &n, &error), KG_OK);
    KG_CHECK_EQ(t, n, 4);
    KG_CHECK(t, tokens[1] == 1 && tokens[2] == 99);
}

KG_TEST(tokenizer, names_the_unknown_character)
{
    struct kg_tokenizer tokenizer;
    struct kg_error error;
    uint32_t tokens[8];
    size_t n;
    KG_CHECK_EQ(t, open(&tokenizer, &error), KG_OK);
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "ab?", tokens, 8, &n, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "character '?' (U+003F) at byte 2 of the prompt is not in the model's vocabulary");
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "\xC3\xBC", tokens, 8, &n, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message,
                  "character '\xC3\xBC' (U+00FC) at byte 0 of the prompt is not in the model's vocabulary");
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "a\n", tokens, 8, &n, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "character U+000A at byte 1 of the prompt is not in the model's vocabulary");
    KG_CHECK_EQ(t, kg_tokenizer_encode(&tokenizer, "a\xFF", tokens, 8, &n, &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "byte 0xff at 1 of the prompt is not UTF-8");
}

KG_TEST(tokenizer, refuses_tables_that_lead_outside)
{
    static const uint32_t backwards[4] = {0, 2, 1, 1}, outside[4] = {0, 1, 2, 3};
    struct kg_tokenizer tokenizer;
    struct kg_error error;
    KG_CHECK_EQ(t, kg_tokenizer_open(&tokenizer, backwards, sizeof backwards, 3, 2, &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_tokenizer_open(&tokenizer, outside, sizeof outside, 3, 2, &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_tokenizer_open(&tokenizer, &table, TABLE_SIZE, UINT32_MAX, 5, &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_tokenizer_open(&tokenizer, &table, TABLE_SIZE, 6, 6, &error), KG_E_INPUT);
}

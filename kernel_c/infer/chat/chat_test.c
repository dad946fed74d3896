#include "kgpt/chat.h"

#include "kgpt/crc32.h"
#include "kgpt/test.h"

#define HEAD (28u + 8u * KG_CHAT_PIECES + 16u)
#define ROOM 512u

static void store_u32(uint8_t *to, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
}

static void seal(uint8_t *blob, uint32_t size)
{
    store_u32(blob + 8, size);
    store_u32(blob + 12, kg_crc32(blob + 16, size - 16));
}

/* A blob whose pieces are "<0>", "<1>" and so on, except for those given; its size. */
static uint32_t build(uint8_t blob[ROOM], uint32_t flags, const char *plain, const char *end)
{
    uint32_t size = HEAD;
    for (uint32_t i = 0; i < ROOM; i++) {
        blob[i] = i < 4 ? (uint8_t)"KGCT"[i] : 0;
    }
    store_u32(blob + 4, 3);
    store_u32(blob + 16, flags);
    store_u32(blob + 20, KG_CHAT_PIECES);
    for (uint32_t i = 0; i < KG_CHAT_PIECES; i++) {
        char digit[4] = {'<', (char)(i < 10 ? '0' + i : 'a' + i - 10), '>', '\0'};
        const char *text = i == KG_CHAT_ASK_PLAIN ? plain : i == KG_CHAT_END ? end : digit;
        store_u32(blob + 28 + 8 * i, size);
        store_u32(blob + 32 + 8 * i, (uint32_t)kg_strlen(text));
        while (*text) {
            blob[size++] = (uint8_t)*text++;
        }
    }
    blob[28 + 8 * KG_CHAT_PIECES] = 'x';
    seal(blob, size);
    return size;
}

static struct kg_text text_of(const char *s)
{
    return (struct kg_text){s, kg_strlen(s)};
}

/* The fragments as one text, what people have said in brackets. */
static const char *joined(const struct kg_fragment *fragments, size_t n, char out[ROOM])
{
    size_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (!fragments[i].special) {
            out[at++] = '[';
        }
        for (size_t j = 0; j < fragments[i].n; j++) {
            out[at++] = fragments[i].text[j];
        }
        if (!fragments[i].special) {
            out[at++] = ']';
        }
    }
    out[at] = '\0';
    return out;
}

static const char *turn(const struct kg_chat *chat, bool first, const char *system, const char *message, char out[ROOM])
{
    struct kg_fragment fragments[KG_CHAT_FRAGMENTS];
    return joined(fragments, kg_chat_turn(chat, first, text_of(system), text_of(message), fragments), out);
}

static const char *reply(const struct kg_chat *chat, const char *text, char out[ROOM])
{
    struct kg_fragment fragments[KG_CHAT_FRAGMENTS];
    return joined(fragments, kg_chat_reply(chat, text_of(text), fragments), out);
}

KG_TEST(chat, puts_what_is_said_between_the_pieces)
{
    uint8_t blob[ROOM];
    char out[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    uint32_t size = build(blob, 0, "<p>", "</s>");
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    KG_CHECK_TEXT(t, chat.family, "x");
    KG_CHECK_TEXT(t, turn(&chat, true, "", " hi\n", out), "<0>[ hi\n]<3>");
    KG_CHECK_TEXT(t, turn(&chat, true, "be", "hi", out), "<1>[be]<2>[hi]<3>");
    KG_CHECK_TEXT(t, turn(&chat, false, "be", "hi", out), "<6>[hi]<3>");
    KG_CHECK_TEXT(t, reply(&chat, "a</think>b", out), "<5>[a</think>b]");
    chat.plain = true;
    KG_CHECK_TEXT(t, turn(&chat, false, "", "", out), "<6>[]<p>");
    size = build(blob, KG_CHAT_SYSTEM_REFUSED, "", "");
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    chat.plain = true; /* without such a switch it changes nothing */
    KG_CHECK_TEXT(t, turn(&chat, true, "be", "hi", out), "<0>[hi]<3>");
}

KG_TEST(chat, trims_each_slot_at_each_end)
{
    uint8_t blob[ROOM];
    char out[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    uint32_t flags = KG_CHAT_TRIM_LEFT(KG_CHAT_SLOT_SYSTEM) | KG_CHAT_TRIM_RIGHT(KG_CHAT_SLOT_FIRST) |
                     KG_CHAT_TRIM_LEFT(KG_CHAT_SLOT_LATER) | KG_CHAT_TRIM_RIGHT(KG_CHAT_SLOT_LATER) |
                     KG_CHAT_TRIM_RIGHT(KG_CHAT_SLOT_REPLY);
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, build(blob, flags, "", ""), &error), KG_OK);
    KG_CHECK_TEXT(t, turn(&chat, true, " s ", " m ", out), "<1>[s ]<2>[ m]<3>");
    KG_CHECK_TEXT(t, turn(&chat, true, "", " m ", out), "<0>[ m ]<3>");
    KG_CHECK_TEXT(t, turn(&chat, false, "", "\t\r\n m\xC2\xA0\xE3\x80\x80\x0B", out), "<6>[m]<3>");
    KG_CHECK_TEXT(t, turn(&chat, false, "", " \n ", out), "<6>[]<3>");
    /* neither white space nor UTF-8: a zero-width space, and half a character */
    KG_CHECK_TEXT(t, turn(&chat, false, "", "\xE2\x80\x8Bm\x80\xA0", out), "<6>[\xE2\x80\x8Bm\x80\xA0]<3>");
    KG_CHECK_TEXT(t, reply(&chat, " r ", out), "<5>[ r]");
}

KG_TEST(chat, drops_what_was_thought_aloud)
{
    uint8_t blob[ROOM];
    char out[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    uint32_t size = build(blob, KG_CHAT_DROPS_THOUGHTS, "", "");
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    KG_CHECK_TEXT(t, reply(&chat, "<think>a</think>b</think>\n\n c", out), "<5>[\n\n c]");
    KG_CHECK_TEXT(t, reply(&chat, "<think>a</think", out), "<5>[<think>a</think]");
    KG_CHECK_TEXT(t, reply(&chat, "</think>", out), "<5>[]");
    build(blob, KG_CHAT_DROPS_THOUGHTS | KG_CHAT_DROPS_NEWLINES, "", "");
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    KG_CHECK_TEXT(t, reply(&chat, "a</think>\n\n c\n", out), "<5>[ c\n]");
    KG_CHECK_TEXT(t, reply(&chat, "\nno thoughts", out), "<5>[\nno thoughts]");
}

KG_TEST(chat, keeps_thoughts_where_the_template_does)
{
    uint8_t blob[ROOM];
    char out[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    uint32_t keeps = KG_CHAT_KEEPS_THOUGHTS | KG_CHAT_ANSWER_LEFT | KG_CHAT_REPLY_NEWLINES;
    uint32_t size = build(blob, keeps, "", "");
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    KG_CHECK_TEXT(t, reply(&chat, "x<think>\n a \n</think>b</think> c ", out), "<9>[ a ]<a>[c ]");
    KG_CHECK_TEXT(t, reply(&chat, "a</think>b", out), "<9>[a]<a>[b]");
    KG_CHECK_TEXT(t, reply(&chat, "<think>\n</think>b", out), "<5>[b]");
    KG_CHECK_TEXT(t, reply(&chat, "\n\n b", out), "<5>[ b]");
    build(blob, keeps | KG_CHAT_FIRST_END | KG_CHAT_THOUGHT_SPACE | KG_CHAT_ANSWER_RIGHT, "", "");
    KG_CHECK_TEXT(t, (kg_chat_open(&chat, blob, size, &error), reply(&chat, " a </think>b</think> c ", out)),
                  "<9>[a]<a>[b</think> c]");
    build(blob, KG_CHAT_DROPS_THOUGHTS | KG_CHAT_FIRST_END | KG_CHAT_ONE_PART | KG_CHAT_ANSWER_END_NEWLINES, "", "");
    KG_CHECK_TEXT(t, (kg_chat_open(&chat, blob, size, &error), reply(&chat, "a</think> b\n\n</think>c", out)),
                  "<5>[ b]");
    build(blob, KG_CHAT_DROPS_THOUGHTS | KG_CHAT_NEEDS_START | KG_CHAT_LONE_TAG, "", "");
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    KG_CHECK_TEXT(t, reply(&chat, " a</think>b ", out), "<b>[a</think>b]");
    KG_CHECK_TEXT(t, reply(&chat, " <think>a</think>b ", out), "<5>[b ]");
    chat.piece[KG_CHAT_ASK] = text_of("ai\n<think>\n"); /* a reply to this begins with a thought */
    KG_CHECK_TEXT(t, reply(&chat, " a</think>b ", out), "<5>[b ]");
    KG_CHECK_TEXT(t, reply(&chat, " a ", out), "<b>[a]");
}

KG_TEST(chat, puts_calls_and_results_between_the_pieces)
{
    static const struct kg_text tools[] = {{"{1}", 3}, {"{2}", 3}};
    static const struct kg_chat_call calls[] = {{{"f", 1}, {"{}", 2}}, {{"g", 1}, {"{3}", 3}}};
    struct kg_fragment f[KG_CHAT_FRAGMENTS + 4];
    uint8_t blob[ROOM];
    char out[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, build(blob, 0, "", ""), &error), KG_OK);
    KG_CHECK(t, kg_chat_takes_tools(&chat));
    KG_CHECK_TEXT(t, joined(f, kg_chat_tool_turn(&chat, text_of(""), tools, 2, text_of("hi"), f), out),
                  "<e>[{1}]<h>[{2}]<i>[hi]<3>");
    KG_CHECK_TEXT(t, joined(f, kg_chat_tool_turn(&chat, text_of("be"), tools, 1, text_of("hi"), f), out),
                  "<f>[be]<g>[{1}]<i>[hi]<3>");
    KG_CHECK_TEXT(t, joined(f, kg_chat_calls(&chat, false, calls, 2, f), out), "<j>[f]<l>[{}]<m>[g]<l>[{3}]<n>");
    KG_CHECK_TEXT(t, joined(f, kg_chat_calls(&chat, true, calls, 1, f), out), "<k>[f]<l>[{}]<n>");
    KG_CHECK_TEXT(t, joined(f, kg_chat_result(&chat, true, text_of("r"), f), out), "<q>[r]");
    KG_CHECK_TEXT(t, joined(f, kg_chat_result(&chat, false, text_of("s"), f), out), "<r>[s]");
    KG_CHECK_TEXT(t, joined(f, kg_chat_results_end(&chat, f), out), "<s><3>");
    chat.step_flags = KG_CHAT_KEEPS_THOUGHTS;
    struct kg_chat step = kg_chat_step(&chat);
    KG_CHECK_TEXT(t, reply(&step, "a</think>b", out), "<t>[a]<u>[b]");
    KG_CHECK_TEXT(t, reply(&chat, "a</think>b", out), "<5>[a</think>b]");
}

KG_TEST(chat, refuses_words_with_another_meaning)
{
    uint8_t blob[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, build(blob, 0, "", ""), &error), KG_OK);
    KG_CHECK_EQ(t, kg_chat_refused(&chat, text_of("a <c> b"), text_of("x")).n, 3);
    KG_CHECK_EQ(t, kg_chat_refused(&chat, text_of("x"), text_of("<d>")).n, 3);
    KG_CHECK(t, !kg_chat_refused(&chat, text_of("<d>"), text_of("<c>")).data);
    chat.piece[KG_CHAT_SYSTEM_WORDS] = (struct kg_text){"on\0off", 6};
    KG_CHECK_EQ(t, kg_chat_refused(&chat, text_of("it is off"), text_of("")).n, 3);
    KG_CHECK_EQ(t, kg_chat_refused(&chat, text_of("on"), text_of("")).n, 2);
    KG_CHECK(t, !kg_chat_refused(&chat, text_of("of"), text_of("on")).data);
}

KG_TEST(chat, refuses_damage)
{
    uint8_t blob[ROOM];
    struct kg_chat chat;
    struct kg_error error;
    uint32_t size = build(blob, 0, "", "");
    for (uint32_t i = 0; i < size; i++) { /* in every byte */
        blob[i] ^= 0x20;
        KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_E_INPUT);
        blob[i] ^= 0x20;
        KG_CHECK_EQ(t, kg_chat_open(&chat, blob, i, &error), KG_E_INPUT);
    }
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_OK);
    KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size + 7, &error), KG_OK); /* padded */
    static const struct {
        uint32_t at, value;
    } wrong[] = {
        {4, 1},           {16, 1u << 29}, {20, KG_CHAT_PIECES - 1}, {24, KG_CHAT_BOS}, {28, HEAD - 1}, {28, 0xFFFFFFFF},
        {32, 0xFFFFFFFF}, {32, ROOM}}; /* with a CRC that matches: bounds are not a matter of trust */
    for (uint32_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        build(blob, 0, "", "");
        store_u32(blob + wrong[i].at, wrong[i].value);
        seal(blob, size);
        KG_CHECK_EQ(t, kg_chat_open(&chat, blob, size, &error), KG_E_INPUT);
        KG_CHECK(t, error.hint[0]);
    }
}

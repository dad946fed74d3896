/* Fuzzes chat templates and texts. The last byte is the length of the text before it; the rest is the blob. In three
 * of four cases its CRC is corrected, because a fuzzer cannot guess it. */
#include <stdlib.h>
#include <string.h>

#include "kgpt/chat.h"
#include "kgpt/crc32.h"
#include "promise.h"

#define CRC_AT 12
#define CRC_START 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static volatile char touched;

/* A vocabulary with every piece in brackets: the end of the blob may be a token or not. */
uint32_t kg_vocab_find(const struct kg_vocab *vocab, const char *piece, size_t n)
{
    (void)vocab;
    return n > 0 && piece[0] == '<' ? (uint32_t)n : KG_NO_TOKEN;
}

size_t kg_vocab_piece(const struct kg_vocab *vocab, uint32_t token, char *out, bool special)
{
    (void)vocab;
    memset(out, 'x', token); /* full length of a token: its room must suffice */
    return special || token % 2 ? token : 0;
}

static void check(const struct kg_fragment *fragments, size_t n, struct kg_text blob, struct kg_text said)
{
    promise(n <= KG_CHAT_FRAGMENTS);
    for (size_t i = 0; i < n; i++) {
        const struct kg_fragment *fragment = &fragments[i];
        const struct kg_text *in = fragment->special ? &blob : &said;
        promise(fragment->n == 0 || (fragment->text >= in->data && fragment->text + fragment->n <= in->data + in->n));
        for (size_t at = 0; at < fragment->n; at++) {
            touched = fragment->text[at];
        }
    }
}

/* A chat with tools: parts of what was said are tools, calls and results. */
static void call_tools(const struct kg_chat *chat, struct kg_text blob, struct kg_text said)
{
    struct kg_fragment fragments[KG_CHAT_FRAGMENTS + 4];
    struct kg_text half = {said.data, said.n / 2}, rest = {said.data + said.n / 2, said.n - said.n / 2};
    const struct kg_text tools[2] = {half, rest};
    const struct kg_chat_call calls[2] = {{half, rest}, {rest, half}};
    struct kg_chat step = kg_chat_step(chat);
    for (uint32_t n = 0; n <= 2; n++) {
        size_t made = kg_chat_tool_turn(chat, n ? half : (struct kg_text){said.data, 0}, tools, n, rest, fragments);
        promise(made <= KG_CHAT_FRAGMENTS + 2 * n);
        check(fragments, made < KG_CHAT_FRAGMENTS ? made : KG_CHAT_FRAGMENTS, blob, said);
        promise(kg_chat_calls(chat, n & 1, calls, n, fragments) == 4 * n + 1);
        check(fragments, 4 * n < KG_CHAT_FRAGMENTS ? 4 * n + 1 : KG_CHAT_FRAGMENTS, blob, said);
    }
    check(fragments, kg_chat_result(chat, true, said, fragments), blob, said);
    check(fragments, kg_chat_results_end(chat, fragments), blob, said);
    check(fragments, kg_chat_reply(&step, said, fragments), blob, said);
}

static void talk(struct kg_chat *chat, struct kg_text blob, struct kg_text said)
{
    struct kg_fragment fragments[KG_CHAT_FRAGMENTS];
    struct kg_text half = {said.data, said.n / 2}, rest = {said.data + said.n / 2, said.n - said.n / 2};
    for (unsigned i = 0; i < 8; i++) {
        struct kg_text none = {said.data, 0};
        chat->plain = i & 1;
        check(fragments, kg_chat_turn(chat, i & 2, i & 4 ? half : none, i & 4 ? rest : said, fragments), blob, said);
    }
    check(fragments, kg_chat_reply(chat, said, fragments), blob, said);
    call_tools(chat, blob, said);
    struct kg_text word = kg_chat_refused(chat, half, rest);
    promise(!word.data || (word.n && word.data >= blob.data && word.data + word.n <= blob.data + blob.n));
    uint32_t end = kg_chat_end_token(chat, NULL);
    promise(end == KG_NO_TOKEN || end == chat->piece[KG_CHAT_END].n);
    promise(strlen(chat->family) < sizeof chat->family);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_chat chat;
    struct kg_error error = {0};
    if (size == 0) {
        return 0;
    }
    size_t said_n = data[size - 1] < size ? data[size - 1] : 0, blob_n = size - 1 - said_n;
    uint8_t *blob = malloc(blob_n ? blob_n : 1); /* exact size, for heap checkers; never NULL */
    char *said = malloc(said_n ? said_n : 1);
    memcpy(blob, data, blob_n);
    memcpy(said, data + blob_n, said_n);
    if (blob_n >= CRC_START && said_n % 4 != 3) {
        uint32_t claimed, crc;
        memcpy(&claimed, blob + 8, sizeof claimed);
        if (claimed >= CRC_START && claimed <= blob_n) {
            crc = kg_crc32(blob + CRC_START, claimed - CRC_START);
            memcpy(blob + CRC_AT, &crc, sizeof crc);
        }
    }
    enum kg_status status = kg_chat_open(&chat, blob, blob_n, &error);
    promise(status == KG_OK || (status == KG_E_INPUT && error.message[0] && error.hint[0]));
    if (status == KG_OK) {
        talk(&chat, (struct kg_text){(char *)blob, blob_n}, (struct kg_text){said, said_n});
    }
    free(blob);
    free(said);
    return 0;
}

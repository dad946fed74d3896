/* Characters, of a microgpt or of a model of a running text: the longest matching piece at each position. */
#include "kgpt/utf8.h"
#include "vocab_tables.h"

static uint32_t longest_char_token(const struct kg_vocab *vocab, const char *text, uint32_t n)
{
    for (uint32_t length = vocab->longest < n ? vocab->longest : n; length > 0; length--) {
        uint32_t token = kg_vocab_find(vocab, text, length);
        if (token != KG_NO_TOKEN && !(vocab->tables->attributes[token] & KG_TOKEN_SPECIAL)) {
            return token;
        }
    }
    return KG_NO_TOKEN;
}

/* Reports the character at `at`, literally if it is printable. */
static enum kg_status refuse_char_token(const char *text, uint32_t at, uint32_t n, struct kg_error *error)
{
    size_t length = kg_utf8_length(text + at, n - at);
    if (length == 0) {
        kg_error_set(error, KG_E_INPUT, "byte 0x%02x at %u of the text is not UTF-8", (unsigned)(uint8_t)text[at], at);
        kg_error_hint(error, "give the text in UTF-8");
        return KG_E_INPUT;
    }
    uint32_t code = kg_utf8_code(text + at, length);
    bool shown = code >= 0x20 && code != 0x7F;
    kg_error_set(error, KG_E_INPUT,
                 "character %s%.*s%sU+%04X%s at byte %u of the text is not in the model's vocabulary", shown ? "'" : "",
                 shown ? (int)length : 0, text + at, shown ? "' (" : "", code, shown ? ")" : "", at);
    kg_error_hint(error, "use only characters that the model was trained on; `model` in the shell lists them");
    return KG_E_INPUT;
}

enum kg_status kg_char_encode(const struct kg_vocab *vocab, const char *text, uint32_t n, struct kg_tokens *out,
                              struct kg_error *error)
{
    for (uint32_t at = 0; at < n;) {
        uint32_t token = longest_char_token(vocab, text + at, n - at);
        if (token == KG_NO_TOKEN) {
            return refuse_char_token(text, at, n, error);
        }
        kg_tokens_add(out, token);
        at += vocab->tables->pieces[token].n;
    }
    return KG_OK;
}

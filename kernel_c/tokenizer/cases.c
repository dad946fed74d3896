/* Which letters are capital, and which small, for pre-tokenizers that cut where the case changes: an array of the file
 * (kgpt_build/models/gguf/cases.py makes it). Without it, only ASCII letters have a case, as in llama.cpp. */
#include "vocab_tables.h"

#define ROW 3u /* first, last, and 1: only capital, 2: only small; in between, letters count as both */
#define CASES "tokenizer.kgpt.cases"

uint32_t kg_cases_mark(const struct kg_gguf_value *cases, uint32_t character)
{
    uint64_t low = 0, high = cases->n / ROW;
    uint32_t code = KG_CHAR_CODE(character);
    character &= ~(KG_CHAR_CAPITAL | KG_CHAR_SMALL);
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (code < kg_gguf_u32_at(cases, middle * ROW)) {
            high = middle;
        } else if (code > kg_gguf_u32_at(cases, middle * ROW + 1)) {
            low = middle + 1;
        } else {
            return character | (kg_gguf_u32_at(cases, middle * ROW + 2) == 1 ? KG_CHAR_CAPITAL : KG_CHAR_SMALL);
        }
    }
    return KG_CHAR_CLASS(character) == KG_MARK ? character | KG_CHAR_CASED_MARK : character;
}

enum kg_status kg_cases_read(struct kg_gguf_value *cases, const struct kg_gguf *gguf, struct kg_error *error)
{
    if (!kg_gguf_find(gguf, CASES)) {
        return KG_OK;
    }
    enum kg_status status = kg_gguf_array(gguf, CASES, KG_GGUF_I32, cases, error);
    if (status == KG_OK && cases->n % ROW) {
        return kg_vocab_refuse(error, "the field \"" CASES "\" is not rows of %u numbers", ROW);
    }
    uint64_t free = 0; /* the first character that the next row may begin with */
    for (uint64_t row = 0; status == KG_OK && row < cases->n / ROW; row++) {
        uint32_t first = kg_gguf_u32_at(cases, row * ROW), last = kg_gguf_u32_at(cases, row * ROW + 1);
        uint32_t kind = kg_gguf_u32_at(cases, row * ROW + 2);
        if (first < free || last < first || last > 0x10FFFF || kind < 1 || kind > 2) {
            return kg_vocab_refuse(error, "row %lu of the field \"" CASES "\" is not one of Unicode's",
                                   (unsigned long)row);
        }
        free = (uint64_t)last + 1;
    }
    return status;
}

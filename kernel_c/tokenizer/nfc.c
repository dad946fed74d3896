/* Unicode's normal form C (UAX #15), for tokenizers that bring a text into it. The tables are arrays of the file, which
 * the host makes from Python's unicodedata (kgpt_build/models/gguf/nfc.py). Hangul is computed. */
#include "kgpt/mem.h"
#include "vocab_tables.h"

#define DECOMPOSITION 5u     /* items: a character, and up to four that it consists of; 0: no more */
#define COMPOSITION 3u       /* two characters, and the one that they make */
#define ORDER 2u             /* a character, and its class */
#define FIRST_CHANGED 0x300u /* a text of lower characters is in normal form C */
#define CODE(c) ((c) & 0x1FFFFFu)
#define CLASS(c) ((c) >> 24)

#define HANGUL_L 0x1100u
#define HANGUL_V 0x1161u
#define HANGUL_T 0x11A7u
#define HANGUL 0xAC00u
#define N_L 19u
#define N_V 21u
#define N_T 28u

static uint32_t utf8_bytes(uint32_t code)
{
    return code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
}

/* The row of an ascending table whose first `n_keys` items are `keys`, or UINT64_MAX. */
static uint64_t find_row(const struct kg_gguf_value *table, uint32_t width, const uint32_t *keys, uint32_t n_keys)
{
    uint64_t low = 0, high = table->n / width;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        uint32_t i = 0;
        while (i < n_keys && kg_gguf_u32_at(table, middle * width + i) == keys[i]) {
            i++;
        }
        if (i == n_keys) {
            return middle;
        }
        if (kg_gguf_u32_at(table, middle * width + i) < keys[i]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return UINT64_MAX;
}

/* The character with its class above it. */
static uint32_t classed(const struct kg_nfc *nfc, uint32_t code)
{
    uint64_t row = find_row(&nfc->classes, ORDER, &code, 1);
    return row == UINT64_MAX ? code : code | kg_gguf_u32_at(&nfc->classes, row * ORDER + 1) << 24;
}

static uint32_t decompose(const struct kg_nfc *nfc, uint32_t code, uint32_t *out)
{
    uint32_t n = 0;
    if (code - HANGUL < N_L * N_V * N_T) {
        uint32_t index = code - HANGUL;
        out[n++] = HANGUL_L + index / (N_V * N_T);
        out[n++] = HANGUL_V + index / N_T % N_V;
        if (index % N_T) {
            out[n++] = HANGUL_T + index % N_T;
        }
        return n;
    }
    uint64_t row = code < 0xC0 ? UINT64_MAX : find_row(&nfc->decompositions, DECOMPOSITION, &code, 1);
    if (row == UINT64_MAX) {
        out[0] = code < FIRST_CHANGED ? code : classed(nfc, code);
        return 1;
    }
    for (uint32_t i = 1, part; i < DECOMPOSITION; i++) {
        part = kg_gguf_u32_at(&nfc->decompositions, row * DECOMPOSITION + i);
        if (part) {
            out[n++] = classed(nfc, part);
        }
    }
    return n;
}

/* 0: the two make no character. */
static uint32_t compose(const struct kg_nfc *nfc, uint32_t first, uint32_t second)
{
    if (first - HANGUL_L < N_L && second - HANGUL_V < N_V) {
        return HANGUL + ((first - HANGUL_L) * N_V + (second - HANGUL_V)) * N_T;
    }
    if (first - HANGUL < N_L * N_V * N_T && (first - HANGUL) % N_T == 0 && second - HANGUL_T - 1 < N_T - 1) {
        return first + (second - HANGUL_T);
    }
    const uint32_t keys[] = {first, second};
    uint64_t row = find_row(&nfc->compositions, COMPOSITION, keys, 2);
    return row == UINT64_MAX ? 0 : kg_gguf_u32_at(&nfc->compositions, row * COMPOSITION + 2);
}

/* Sorts each run of characters with a class by it; equal ones keep their order. `spare` has room for all. */
static void order_marks(uint32_t *chars, uint32_t n, uint32_t *spare)
{
    for (uint32_t start = 0, end; start < n; start = end + 1) {
        end = start;
        while (end < n && CLASS(chars[end])) {
            end++;
        }
        uint32_t sorted = 0;
        for (uint32_t class = 1; sorted < end - start; class++) {
            for (uint32_t i = start; i < end; i++) {
                if (CLASS(chars[i]) == class) {
                    spare[sorted++] = chars[i];
                }
            }
        }
        memcpy(chars + start, spare, sorted * sizeof *chars);
    }
}

/* Joins each character with the last one of class 0, unless one of its own class, or of class 0, is between. */
static uint32_t compose_all(const struct kg_nfc *nfc, const uint32_t *parts, uint32_t n, uint32_t *chars)
{
    uint32_t n_chars = 0, starter = UINT32_MAX, last = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t class = CLASS(parts[i]);
        bool adjacent = starter != UINT32_MAX && n_chars == starter + 1;
        uint32_t made =
            starter != UINT32_MAX && (adjacent || last < class) ? compose(nfc, chars[starter], CODE(parts[i])) : 0;
        if (made) {
            chars[starter] = made;
            continue;
        }
        if (!class) {
            starter = n_chars;
        }
        last = class;
        chars[n_chars++] = CODE(parts[i]);
    }
    return n_chars;
}

uint32_t kg_nfc_apply(const struct kg_nfc *nfc, uint32_t *chars, uint32_t n, uint32_t *spare)
{
    uint32_t i = 0;
    while (i < n && chars[i] < FIRST_CHANGED) {
        i++;
    }
    if (i == n) {
        return n;
    }
    uint32_t n_parts = 0;
    for (i = 0; i < n; i++) {
        n_parts += decompose(nfc, chars[i], spare + n_parts);
    }
    order_marks(spare, n_parts, chars);
    return compose_all(nfc, spare, n_parts, chars);
}

/* What a row may hold: see kg_nfc_read. */
static bool row_is_sound(const struct kg_gguf_value *table, uint32_t width, uint64_t row)
{
    uint32_t items[DECOMPOSITION], bytes = 0;
    for (uint32_t i = 0; i < width; i++) {
        items[i] = kg_gguf_u32_at(table, row * width + i);
        bool is_class = width == ORDER && i == 1;
        bool may_be_absent = width == DECOMPOSITION && i > 1;
        if (items[i] > (is_class ? 254 : 0x10FFFFu) || (!items[i] && !may_be_absent)) {
            return false;
        }
        bytes += items[i] && i ? utf8_bytes(items[i]) : 0;
    }
    return width != DECOMPOSITION || bytes <= KG_NFC_GROWTH * utf8_bytes(items[0]);
}

static bool is_ascending(const struct kg_gguf_value *table, uint32_t width, uint64_t row)
{
    for (uint32_t i = 0; row && i < (width == COMPOSITION ? 2 : 1); i++) {
        uint32_t before = kg_gguf_u32_at(table, (row - 1) * width + i), here = kg_gguf_u32_at(table, row * width + i);
        if (before != here) {
            return before < here;
        }
    }
    return row == 0;
}

enum kg_status kg_nfc_read(struct kg_nfc *nfc, const struct kg_gguf *gguf, struct kg_error *error)
{
    const struct {
        const char *key;
        struct kg_gguf_value *table;
        uint32_t width;
    } tables[] = {
        {"tokenizer.kgpt.nfc_decompositions", &nfc->decompositions, DECOMPOSITION},
        {"tokenizer.kgpt.nfc_compositions", &nfc->compositions, COMPOSITION},
        {"tokenizer.kgpt.nfc_classes", &nfc->classes, ORDER},
    };
    nfc->used = kg_gguf_find(gguf, tables[0].key) != NULL;
    for (uint32_t i = 0; nfc->used && i < 3; i++) {
        enum kg_status status = kg_gguf_array(gguf, tables[i].key, KG_GGUF_I32, tables[i].table, error);
        if (status != KG_OK) {
            return status;
        }
        if (tables[i].table->n % tables[i].width) {
            return kg_vocab_refuse(error, "the field \"%s\" is not rows of %u numbers", tables[i].key, tables[i].width);
        }
        for (uint64_t row = 0; row < tables[i].table->n / tables[i].width; row++) {
            if (!row_is_sound(tables[i].table, tables[i].width, row) ||
                !is_ascending(tables[i].table, tables[i].width, row)) {
                return kg_vocab_refuse(error, "row %lu of the field \"%s\" is not one of Unicode's", (unsigned long)row,
                                       tables[i].key);
            }
        }
    }
    return KG_OK;
}

/* Ranges of characters, and the bytes that UTF-8 writes them with: see build.h. */
#include "build.h"

#include "kgpt/utf8.h"

#define LAST_CODE 0x10FFFFu
#define FIRST_SURROGATE 0xD800u
#define LAST_SURROGATE 0xDFFFu

/* Insertion sort: a class has few ranges. */
static void sort_ranges(struct kg_code_range *ranges, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        struct kg_code_range moving = ranges[i];
        uint32_t at = i;
        for (; at > 0 && ranges[at - 1].low > moving.low; at--) {
            ranges[at] = ranges[at - 1];
        }
        ranges[at] = moving;
    }
}

/* UTF-8 has no surrogates: a range ends before them, or begins behind them. kg_split_range leaves out those inside. */
uint32_t kg_ranges_join(struct kg_code_range *ranges, uint32_t n)
{
    uint32_t kept = 0;
    sort_ranges(ranges, n);
    for (uint32_t i = 0; i < n; i++) {
        struct kg_code_range range = ranges[i];
        if (range.low >= FIRST_SURROGATE && range.low <= LAST_SURROGATE) {
            range.low = LAST_SURROGATE + 1;
        }
        if (range.high >= FIRST_SURROGATE && range.high <= LAST_SURROGATE) {
            range.high = FIRST_SURROGATE - 1;
        }
        if (range.low > range.high) {
            continue;
        }
        if (kept && range.low <= ranges[kept - 1].high + 1) {
            ranges[kept - 1].high = range.high > ranges[kept - 1].high ? range.high : ranges[kept - 1].high;
        } else {
            ranges[kept++] = range;
        }
    }
    return kept;
}

uint32_t kg_ranges_invert(const struct kg_code_range *ranges, uint32_t n, struct kg_code_range *out)
{
    uint32_t count = 0, from = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (ranges[i].low > from) {
            out[count++] = (struct kg_code_range){from, ranges[i].low - 1};
        }
        from = ranges[i].high + 1;
    }
    if (from <= LAST_CODE) {
        out[count++] = (struct kg_code_range){from, LAST_CODE};
    }
    return kg_ranges_join(out, count);
}

#define NO_CUT UINT32_MAX

/* Where a range has to be cut, so that its two ends differ only in places that run through all values. The cut is the
 * last code point of the first part. */
static uint32_t find_cut(struct kg_code_range range)
{
    static const uint32_t lengths[] = {0x7F, 0x7FF, FIRST_SURROGATE - 1, LAST_SURROGATE, 0xFFFF};
    for (uint32_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        if (range.low <= lengths[i] && range.high > lengths[i]) {
            return lengths[i];
        }
    }
    for (uint32_t place = 1; place < 4 && range.low > 0x7F; place++) {
        uint32_t mask = (1u << 6 * place) - 1;
        if ((range.low & ~mask) != (range.high & ~mask)) {
            if (range.low & mask) {
                return range.low | mask;
            }
            if ((range.high & mask) != mask) {
                return (range.high & ~mask) - 1;
            }
        }
    }
    return NO_CUT;
}

uint32_t kg_split_range(struct kg_code_range range, struct kg_byte_sequence out[KG_SPLIT_MOST])
{
    uint32_t n = 0, cut;
    for (;;) {
        struct kg_code_range part = range;
        while ((cut = find_cut(part)) != NO_CUT) {
            part.high = cut;
        }
        if (part.low < FIRST_SURROGATE || part.low > LAST_SURROGATE) {
            struct kg_byte_sequence *sequence = &out[n++];
            char low[4], high[4];
            sequence->n = (uint8_t)kg_utf8_encode(part.low, low);
            kg_utf8_encode(part.high, high);
            for (uint32_t i = 0; i < sequence->n; i++) {
                sequence->low[i] = (uint8_t)low[i];
                sequence->high[i] = (uint8_t)high[i];
            }
        }
        if (part.high >= range.high || n == KG_SPLIT_MOST) {
            return n;
        }
        range.low = part.high + 1;
    }
}

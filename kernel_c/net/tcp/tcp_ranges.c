/* Lists of ranges of sequence numbers, sorted, and apart from each other: what came early, and what the peer reports.
 * See tcp.h. */
#include "tcp.h"

#include "kgpt/mem.h"

enum kg_tcp_added kg_tcp_ranges_add(struct kg_tcp_range *ranges, uint32_t *n, uint32_t most, struct kg_tcp_range range)
{
    uint32_t i = 0, joined = 0;
    while (i < *n && kg_seq_less(ranges[i].end, range.start)) {
        i++;
    }
    if (i < *n && !kg_seq_less(range.start, ranges[i].start) && !kg_seq_less(ranges[i].end, range.end)) {
        return KG_TCP_KNOWN;
    }
    for (; i + joined < *n && !kg_seq_less(range.end, ranges[i + joined].start); joined++) {
        range.start = kg_seq_earlier(range.start, ranges[i + joined].start);
        range.end = kg_seq_later(range.end, ranges[i + joined].end);
    }
    if (!joined && *n == most) {
        return KG_TCP_FULL;
    }
    memmove(ranges + i + 1, ranges + i + joined, (*n - i - joined) * sizeof *ranges);
    ranges[i] = range;
    *n += 1 - joined;
    return KG_TCP_ADDED;
}

void kg_tcp_ranges_cut(struct kg_tcp_range *ranges, uint32_t *n, uint32_t below)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < *n; i++) {
        struct kg_tcp_range range = ranges[i];
        range.start = kg_seq_later(range.start, below);
        if (kg_seq_less(range.start, range.end)) {
            ranges[kept++] = range;
        }
    }
    *n = kept;
}

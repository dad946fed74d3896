/* Looks for gaps between two reads of the clock: see gaps.h. */
#include "gaps.h"

#include "kgpt/platform.h"

void kg_gaps_watch(struct kg_gaps *gaps, uint64_t ticks, uint64_t threshold, const bool *stop)
{
    struct kg_gaps found = {0};
    uint64_t start = plat_ticks(), last = start;
    while (stop ? !__atomic_load_n(stop, __ATOMIC_ACQUIRE) : last - start < ticks) {
        uint64_t now = plat_ticks(), gap = now - last;
        last = now;
        found.reads++;
        if (gap >= threshold) {
            found.n++;
            found.stolen += gap;
            found.longest = gap > found.longest ? gap : found.longest;
        }
    }
    found.ticks = last - start;
    *gaps = found;
}

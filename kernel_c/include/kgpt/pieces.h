/* Units of work (groups of rows, heads) that workers take in pieces, so that all of them finish together: fast and slow
 * cores, and a core that an interrupt or another process has held up. The units are cut into one lane for each worker.
 * A worker takes pieces of its own lane, whose cursor lies on a cache line of its own, and then pieces that are left in
 * the others' lanes. Which worker computes a unit must not matter for its bits. */
#ifndef KGPT_PIECES_H
#define KGPT_PIECES_H

#include <stdbool.h>
#include <stdint.h>

#define KG_LANES 16u /* with more workers, several share a lane */
#define KG_PIECES_OF_A_LANE 8u

struct kg_lane {
    uint32_t taken; /* units of the lane, or more at its end */
} __attribute__((aligned(64)));

/* Work that is shared: zero except for `units` and `least` before the workers run. */
struct kg_pieces {
    uint32_t units;
    uint32_t least; /* units of a piece, at least: each piece costs some ten nanoseconds */
    struct kg_lane lanes[KG_LANES];
};

/* The place of one worker: zero at the beginning. */
struct kg_pieces_walk {
    uint32_t passed; /* lanes in which nothing is left */
};

/* Takes units *from to *to - 1. Returns false if none are left. */
static inline bool kg_pieces_take(struct kg_pieces *pieces, struct kg_pieces_walk *walk, uint32_t worker,
                                  uint32_t workers, uint32_t *from, uint32_t *to)
{
    uint32_t lanes = workers < KG_LANES ? workers : KG_LANES;
    for (; walk->passed < lanes; walk->passed++) {
        uint32_t lane = (worker + walk->passed) % lanes;
        uint32_t start = (uint32_t)((uint64_t)pieces->units * lane / lanes);
        uint32_t n = (uint32_t)((uint64_t)pieces->units * (lane + 1) / lanes) - start;
        uint32_t step = workers < 2 ? n : n / KG_PIECES_OF_A_LANE;
        step = step > pieces->least ? step : pieces->least;
        uint32_t *taken = &pieces->lanes[lane].taken;
        /* Reading first leaves the line of an empty lane shared. */
        uint32_t at = __atomic_load_n(taken, __ATOMIC_RELAXED);
        if (at < n && (at = __atomic_fetch_add(taken, step, __ATOMIC_RELAXED)) < n) {
            *from = start + at;
            *to = start + (n - at < step ? n : at + step);
            return true;
        }
    }
    return false;
}

#endif

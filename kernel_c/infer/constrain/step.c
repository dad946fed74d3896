/* Goes from state to state: see states.h. */
#include "states.h"

/* The state behind a byte of a class. */
static uint32_t state_behind(struct kg_matcher *m, uint32_t from, uint32_t byte)
{
    struct kg_match_tables *t = m->tables;
    const struct kg_match_state *state = &t->states[from];
    t->n_open = 0;
    for (uint32_t i = 0; i < state->n; i++) {
        struct kg_match_place place = t->places[state->first + i];
        const struct kg_byte_set *set = &m->grammar->sets[m->grammar->ops[place.op] >> 3];
        if (set->bits[byte / 64] >> byte % 64 & 1) {
            kg_match_open(m, place.op + 1, place.node);
        }
    }
    return kg_match_make_state(m);
}

bool kg_match_step(struct kg_matcher *m, uint32_t at, uint8_t byte)
{
    struct kg_match_tables *t = m->tables;
    uint32_t class = m->grammar->class_of[byte], n_classes = m->grammar->n_classes;
    uint32_t to = t->moves[t->path[at] * n_classes + class];
    if (to == KG_MOVE_UNKNOWN) {
        to = state_behind(m, t->path[at], m->grammar->first_of[class]);
        if (t->full) {
            kg_match_collect(m, at);
            to = state_behind(m, t->path[at], m->grammar->first_of[class]);
            m->failed |= t->full;
        }
        t->moves[t->path[at] * n_classes + class] = (uint16_t)to;
    }
    t->path[at + 1] = (uint16_t)to;
    return to != KG_MOVE_NONE;
}

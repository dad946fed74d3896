/* Forgets the states that are not in use: see states.h. */
#include "states.h"

#include "kgpt/mem.h"

#define UNUSED 0xFFFFu

/* Keeps the states of a path, in their order, with their places. t->renamed: their new numbers. */
static void keep_states(struct kg_match_tables *t, uint32_t at)
{
    uint32_t n = 0, n_places = 0;
    memset(t->renamed, 0xFF, sizeof t->renamed);
    for (uint32_t i = 0; i <= at; i++) {
        t->renamed[t->path[i]] = 0;
    }
    for (uint32_t i = 0; i < t->n_states; i++) {
        if (t->renamed[i] == UNUSED) {
            continue;
        }
        struct kg_match_state state = t->states[i];
        memmove(&t->places[n_places], &t->places[state.first], state.n * sizeof *t->places);
        state.first = n_places;
        n_places += state.n;
        t->states[n] = state;
        t->renamed[i] = (uint16_t)n++;
    }
    for (uint32_t i = 0; i <= at; i++) {
        t->path[i] = t->renamed[t->path[i]];
    }
    t->n_states = n;
    t->n_places = n_places;
}

/* Keeps the nodes that are left on a stack. A node has a higher number than the one below it. */
static void keep_nodes(struct kg_match_tables *t)
{
    uint32_t n = 1;
    memset(t->renamed, 0xFF, sizeof t->renamed);
    for (uint32_t i = 0; i < t->n_places; i++) {
        t->renamed[t->places[i].node] = 0;
    }
    for (uint32_t i = t->n_nodes; i > 1; i--) {
        if (t->renamed[i - 1] != UNUSED) {
            t->renamed[t->nodes[i - 1].below] = 0;
        }
    }
    t->renamed[0] = 0;
    for (uint32_t i = 1; i < t->n_nodes; i++) {
        if (t->renamed[i] != UNUSED) {
            struct kg_match_node node = t->nodes[i];
            node.below = t->renamed[node.below];
            t->nodes[n] = node;
            t->renamed[i] = (uint16_t)n++;
        }
    }
    for (uint32_t i = 0; i < t->n_places; i++) { /* the order of places stays: numbers keep theirs */
        t->places[i].node = t->renamed[t->places[i].node];
    }
    t->n_nodes = n;
}

void kg_match_collect(struct kg_matcher *m, uint32_t at)
{
    struct kg_match_tables *t = m->tables;
    keep_states(t, at);
    keep_nodes(t);
    kg_match_rehash(t);
    memset(t->moves, 0xFF, t->n_states * m->grammar->n_classes * sizeof *t->moves);
    for (uint32_t i = 0; i < KG_MATCH_MASKS; i++) {
        t->mask_of[i] = KG_MATCH_STATES;
    }
    t->full = false;
}

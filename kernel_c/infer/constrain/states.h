/* The states of a matcher: see kgpt/matcher.h. States and nodes of stacks that are equal are one, so a number says all
 * about a text. When a table is full, all states but those in use are forgotten (collect.c). */
#ifndef KGPT_CONSTRAIN_STATES_H
#define KGPT_CONSTRAIN_STATES_H

#include "kgpt/matcher.h"

#ifndef KG_MATCH_NODES /* a fuzzer makes them small, so that short texts fill them */
#define KG_MATCH_NODES 8192u
#define KG_MATCH_PLACES 16384u
#define KG_MATCH_STATES 1024u
#define KG_MATCH_MOVES (1u << 17)
#define KG_MATCH_SEEN 4096u /* slots of a hash table, for at most half as many places */
#endif
#define KG_MOVE_UNKNOWN 0xFFFFu
#define KG_MOVE_NONE 0xFFFEu /* no text that fits goes on with such a byte */

/* What a stack has on top of its node `below`: where a rule returns to, or the repetitions so far. Node 0 is the empty
 * stack. */
struct kg_match_node {
    uint32_t value;
    uint16_t below, depth;
};

/* An operation that takes a byte, and the stack there. */
struct kg_match_place {
    uint32_t op;
    uint32_t node;
};

struct kg_match_state {
    uint32_t first; /* its places: sorted, one of each */
    uint16_t n;
    bool whole; /* the text may end */
};

/* A place that was visited while the places behind a byte are looked for. */
struct kg_match_seen {
    uint32_t op, node;
    uint32_t round; /* in which it was visited */
};

struct kg_match_tables {
    uint32_t n_nodes, n_places, n_states, most_states;
    bool full; /* a table, while a state is made */
    struct kg_match_node nodes[KG_MATCH_NODES];
    uint16_t node_slots[2 * KG_MATCH_NODES]; /* hash table: 0 is free, since node 0 is never looked for */
    struct kg_match_place places[KG_MATCH_PLACES];
    struct kg_match_state states[KG_MATCH_STATES];
    uint16_t state_slots[2 * KG_MATCH_STATES]; /* 1 + the state; 0: free */
    uint16_t moves[KG_MATCH_MOVES];            /* (n_states, n_classes): the state behind a byte */

    /* While a state is made: places to visit, and those that take a byte. */
    struct kg_match_place open[KG_MATCH_WAYS], found[KG_MATCH_WAYS];
    uint32_t n_open, n_found, n_seen, round;
    bool whole;
    struct kg_match_seen seen[KG_MATCH_SEEN];
    uint16_t renamed[KG_MATCH_NODES + KG_MATCH_STATES]; /* collect.c: new numbers of nodes, or of states */

    uint32_t mask_of[KG_MATCH_MASKS]; /* the state that a mask is kept for; KG_MATCH_STATES: none */
    uint32_t mask_n[KG_MATCH_MASKS];  /* its tokens */
    uint32_t next_mask;
    uint16_t *path; /* states behind 0, 1, … bytes of a token; path[0] is where the text has come to */
};

/* step.c: sets path[at + 1] to the state behind path[at] and a byte. False: there is none. */
bool kg_match_step(struct kg_matcher *matcher, uint32_t at, uint8_t byte);

/* A place to visit. */
void kg_match_open(struct kg_matcher *matcher, uint32_t op, uint32_t node);

/* The state of the places at t->open and all that they lead to without a byte; KG_MOVE_NONE: there is no such place,
 * and the text is not whole there. t->full: there was no room. */
uint32_t kg_match_make_state(struct kg_matcher *matcher);

/* For collect.c: enters what the tables hold into their hash tables. */
void kg_match_rehash(struct kg_match_tables *tables);

/* collect.c: forgets all states but those at path[0 … at], which get new numbers. */
void kg_match_collect(struct kg_matcher *matcher, uint32_t at);

#endif

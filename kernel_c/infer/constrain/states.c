/* Makes states, each once: see states.h. */
#include "states.h"

#include "kgpt/mem.h"

static uint32_t mix(uint32_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x9E3779B1u;
    return hash ^ hash >> 15;
}

static uint32_t node_hash(uint32_t value, uint32_t below)
{
    return mix(mix(1, value), below) % (2 * KG_MATCH_NODES);
}

/* The node of `value` on top of `below`. 0 if there is none: too deep, or no room (t->full). */
static uint32_t find_node(struct kg_match_tables *t, uint32_t value, uint32_t below)
{
    uint32_t slot = node_hash(value, below);
    for (; t->node_slots[slot]; slot = (slot + 1) % (2 * KG_MATCH_NODES)) {
        const struct kg_match_node *node = &t->nodes[t->node_slots[slot]];
        if (node->value == value && node->below == below) {
            return t->node_slots[slot];
        }
    }
    if (t->nodes[below].depth >= KG_MATCH_DEPTH) {
        return 0;
    }
    if (t->n_nodes == KG_MATCH_NODES) {
        t->full = true;
        return 0;
    }
    t->nodes[t->n_nodes] = (struct kg_match_node){value, (uint16_t)below, (uint16_t)(t->nodes[below].depth + 1)};
    t->node_slots[slot] = (uint16_t)t->n_nodes;
    return t->n_nodes++;
}

/* Notes a place. False: it was visited in this round. */
static bool note_place(struct kg_matcher *m, struct kg_match_place place)
{
    struct kg_match_tables *t = m->tables;
    uint32_t slot = mix(mix(2, place.op), place.node) % KG_MATCH_SEEN;
    for (; t->seen[slot].round == t->round; slot = (slot + 1) % KG_MATCH_SEEN) {
        if (t->seen[slot].op == place.op && t->seen[slot].node == place.node) {
            return false;
        }
    }
    if (t->n_seen == KG_MATCH_SEEN / 2) {
        m->failed = true;
        return false;
    }
    t->n_seen++;
    t->seen[slot] = (struct kg_match_seen){place.op, place.node, t->round};
    return true;
}

void kg_match_open(struct kg_matcher *m, uint32_t op, uint32_t node)
{
    struct kg_match_tables *t = m->tables;
    if (t->n_open == KG_MATCH_WAYS) {
        m->failed = true;
        return;
    }
    t->open[t->n_open++] = (struct kg_match_place){op, node};
}

/* Where the program goes on after a call: jumps are followed, so that a call at the end of a rule needs no node. */
static uint32_t return_place(const struct kg_grammar *g, uint32_t op)
{
    while ((g->ops[op] & 7) == KG_OP_JUMP) {
        op = g->ops[op] >> 3;
    }
    return op;
}

static void open_call(struct kg_matcher *m, uint32_t rule, uint32_t op, uint32_t node)
{
    const struct kg_grammar *g = m->grammar;
    uint32_t back = return_place(g, op + 1);
    if ((g->ops[back] & 7) != KG_OP_RETURN) {
        node = find_node(m->tables, back, node);
        if (!node) {
            return;
        }
    }
    kg_match_open(m, rule, node);
}

/* A repetition has ended, of which there were as many before as the node says. */
static void open_again(struct kg_matcher *m, const struct kg_grammar_counter *counter, uint32_t op, uint32_t node)
{
    struct kg_match_tables *t = m->tables;
    uint32_t below = t->nodes[node].below, n = t->nodes[node].value + 1;
    bool endless = counter->most == UINT32_MAX;
    n = endless && n > counter->least ? counter->least : n;
    if (endless || n < counter->most) {
        uint32_t again = find_node(t, n, below);
        if (again) {
            kg_match_open(m, counter->begin, again);
        }
    }
    if (n >= counter->least) {
        kg_match_open(m, op + 1, below);
    }
}

static void add_found(struct kg_matcher *m, struct kg_match_place place)
{
    struct kg_match_tables *t = m->tables;
    if (t->n_found == KG_MATCH_WAYS) {
        m->failed = true;
        return;
    }
    uint32_t at = t->n_found++;
    for (; at > 0 &&
           (t->found[at - 1].op > place.op || (t->found[at - 1].op == place.op && t->found[at - 1].node > place.node));
         at--) {
        t->found[at] = t->found[at - 1];
    }
    t->found[at] = place;
}

static void visit_place(struct kg_matcher *m, struct kg_match_place place)
{
    struct kg_match_tables *t = m->tables;
    const struct kg_grammar *g = m->grammar;
    uint32_t op = g->ops[place.op], operand = op >> 3, node;
    switch (op & 7) {
    case KG_OP_SET: add_found(m, place); return;
    case KG_OP_FORK:
        kg_match_open(m, operand, place.node);
        kg_match_open(m, place.op + 1, place.node);
        return;
    case KG_OP_JUMP: kg_match_open(m, operand, place.node); return;
    case KG_OP_CALL: open_call(m, operand, place.op, place.node); return;
    case KG_OP_COUNT:
        node = find_node(t, 0, place.node);
        if (node) {
            kg_match_open(m, place.op + 1, node);
        }
        return;
    case KG_OP_AGAIN: open_again(m, &g->counters[operand], place.op, place.node); return;
    default: break;
    }
    if (place.node) {
        kg_match_open(m, t->nodes[place.node].value, t->nodes[place.node].below);
    } else {
        t->whole = true;
    }
}

static uint32_t hash_places(const struct kg_match_place *places, uint32_t n, bool whole)
{
    uint32_t hash = mix(3, whole);
    for (uint32_t i = 0; i < n; i++) {
        hash = mix(mix(hash, places[i].op), places[i].node);
    }
    return hash % (2 * KG_MATCH_STATES);
}

/* The state of the places that were found. */
static uint32_t find_state(struct kg_matcher *m)
{
    struct kg_match_tables *t = m->tables;
    uint32_t slot = hash_places(t->found, t->n_found, t->whole), n_classes = m->grammar->n_classes;
    for (; t->state_slots[slot]; slot = (slot + 1) % (2 * KG_MATCH_STATES)) {
        const struct kg_match_state *state = &t->states[t->state_slots[slot] - 1];
        if (state->n == t->n_found && state->whole == t->whole &&
            memcmp(&t->places[state->first], t->found, t->n_found * sizeof *t->found) == 0) {
            return t->state_slots[slot] - 1u;
        }
    }
    if (t->n_states == t->most_states || t->n_found > KG_MATCH_PLACES - t->n_places) {
        t->full = true;
        return KG_MOVE_NONE;
    }
    memcpy(&t->places[t->n_places], t->found, t->n_found * sizeof *t->found);
    t->states[t->n_states] =
        (struct kg_match_state){.first = t->n_places, .n = (uint16_t)t->n_found, .whole = t->whole};
    t->n_places += t->n_found;
    memset(&t->moves[t->n_states * n_classes], 0xFF, n_classes * sizeof *t->moves);
    t->state_slots[slot] = (uint16_t)++t->n_states;
    return t->n_states - 1;
}

uint32_t kg_match_make_state(struct kg_matcher *m)
{
    struct kg_match_tables *t = m->tables;
    t->n_found = t->n_seen = 0;
    t->whole = t->full = false;
    t->round++;
    while (t->n_open && !t->full && !m->failed) {
        struct kg_match_place place = t->open[--t->n_open];
        if (note_place(m, place)) {
            visit_place(m, place);
        }
    }
    if (t->full || m->failed || (!t->n_found && !t->whole)) {
        return KG_MOVE_NONE;
    }
    return find_state(m);
}

void kg_match_rehash(struct kg_match_tables *t)
{
    memset(t->node_slots, 0, sizeof t->node_slots);
    memset(t->state_slots, 0, sizeof t->state_slots);
    for (uint32_t i = 1; i < t->n_nodes; i++) {
        uint32_t slot = node_hash(t->nodes[i].value, t->nodes[i].below);
        while (t->node_slots[slot]) {
            slot = (slot + 1) % (2 * KG_MATCH_NODES);
        }
        t->node_slots[slot] = (uint16_t)i;
    }
    for (uint32_t i = 0; i < t->n_states; i++) {
        const struct kg_match_state *state = &t->states[i];
        uint32_t slot = hash_places(&t->places[state->first], state->n, state->whole);
        while (t->state_slots[slot]) {
            slot = (slot + 1) % (2 * KG_MATCH_STATES);
        }
        t->state_slots[slot] = (uint16_t)(i + 1);
    }
}

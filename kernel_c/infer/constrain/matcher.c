/* A text's way through a grammar, and the mask of the next tokens: see kgpt/matcher.h. */
#include "states.h"

#include "kgpt/mem.h"

void kg_matcher_carve(struct kg_matcher *m, const struct kg_token_order *order, struct kg_arena *arena)
{
    uint32_t longest = order->vocab->longest;
    *m = (struct kg_matcher){.order = order, .n_words = (order->vocab->n_vocab + 31) / 32};
    m->tables = kg_arena_take(arena, sizeof *m->tables);
    uint16_t *path = kg_arena_array(arena, longest + 1, sizeof *path);
    m->masks = kg_arena_array(arena, (size_t)KG_MATCH_MASKS * m->n_words, sizeof *m->masks);
    m->piece = kg_arena_take(arena, longest);
    if (!arena->counts && m->tables) {
        m->tables->path = path;
    }
}

void kg_matcher_begin(struct kg_matcher *m, const struct kg_grammar *grammar)
{
    struct kg_match_tables *t = m->tables;
    m->failed = false;
    m->computed = m->kept = 0;
    m->grammar = grammar;
    if (!grammar) {
        return;
    }
    uint16_t *path = t->path;
    t->n_nodes = 1;
    t->nodes[0] = (struct kg_match_node){0};
    t->n_places = t->n_states = t->n_open = t->next_mask = 0;
    t->most_states = KG_MATCH_MOVES / grammar->n_classes;
    t->most_states = t->most_states < KG_MATCH_STATES ? t->most_states : KG_MATCH_STATES;
    memset(t->seen, 0, sizeof t->seen);
    t->round = 0;
    for (uint32_t i = 0; i < KG_MATCH_MASKS; i++) {
        t->mask_of[i] = KG_MATCH_STATES;
    }
    kg_match_rehash(t);
    t->open[t->n_open++] = (struct kg_match_place){grammar->start, 0};
    path[0] = (uint16_t)kg_match_make_state(m);
    m->failed |= path[0] == KG_MOVE_NONE; /* a rule of too many ways at its beginning */
}

static bool step_on(struct kg_matcher *m, uint8_t byte)
{
    struct kg_match_tables *t = m->tables;
    if (m->failed || !kg_match_step(m, 0, byte)) {
        return false;
    }
    t->path[0] = t->path[1];
    return true;
}

bool kg_matcher_bytes(struct kg_matcher *m, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (m->grammar && !step_on(m, (uint8_t)bytes[i])) {
            m->failed = true;
            return false;
        }
    }
    return true;
}

bool kg_matcher_token(struct kg_matcher *m, uint32_t token)
{
    return kg_matcher_bytes(m, m->piece, kg_vocab_piece(m->order->vocab, token, m->piece, false));
}

bool kg_matcher_may_end(const struct kg_matcher *m)
{
    return !m->grammar || (!m->failed && m->tables->states[m->tables->path[0]].whole);
}

void kg_matcher_copy(struct kg_matcher *to, const struct kg_matcher *from)
{
    uint16_t *path = to->tables->path;
    *to->tables = *from->tables;
    to->tables->path = path;
    path[0] = from->tables->path[0];
    memcpy(to->masks, from->masks, (size_t)KG_MATCH_MASKS * to->n_words * sizeof *to->masks);
    to->grammar = from->grammar;
    to->failed = from->failed;
}

/* Sets the bits of the tokens that the state at path[0] lets through. Tokens come in the order of their bytes: the
 * states behind the bytes that a token shares with the one before are known, and a token that shares a byte which did
 * not fit does not fit either. Returns how many they are. */
static uint32_t mark_tokens(struct kg_matcher *m, uint32_t *mask)
{
    const struct kg_token_order *order = m->order;
    const char *tail = order->tails;
    uint32_t n = 0, wrong = UINT32_MAX; /* the place of the byte that did not fit */
    for (uint32_t i = 0; i < order->n && !m->failed; i++) {
        uint32_t at = order->shared[i], length = order->length[i];
        const char *bytes = tail;
        tail += length - at;
        if (at > wrong) {
            continue;
        }
        wrong = UINT32_MAX;
        for (; at < length; at++) {
            if (!kg_match_step(m, at, (uint8_t)*bytes++)) {
                wrong = at;
                break;
            }
        }
        if (at == length) {
            mask[order->ids[i] / 32] |= 1u << order->ids[i] % 32;
            n++;
        }
    }
    return n;
}

static uint32_t mark_ends(struct kg_matcher *m, uint32_t *mask)
{
    const struct kg_token_order *order = m->order;
    uint32_t n = kg_matcher_may_end(m) ? order->n_ends : 0;
    for (uint32_t i = 0; i < n; i++) {
        mask[order->ends[i] / 32] |= 1u << order->ends[i] % 32;
    }
    return n;
}

const uint32_t *kg_matcher_mask(struct kg_matcher *m, uint32_t *n)
{
    struct kg_match_tables *t = m->tables;
    uint32_t slot = t->next_mask;
    for (uint32_t i = 0; i < KG_MATCH_MASKS && !m->failed; i++) {
        if (t->mask_of[i] == t->path[0]) {
            m->kept++;
            *n = t->mask_n[i];
            return m->masks + (size_t)i * m->n_words;
        }
    }
    uint32_t *mask = m->masks + (size_t)slot * m->n_words;
    memset(mask, 0, m->n_words * sizeof *mask);
    t->mask_of[slot] = KG_MATCH_STATES;
    m->computed++;
    uint32_t marked = m->failed ? 0 : mark_tokens(m, mask);
    *n = m->failed ? 0 : marked + mark_ends(m, mask);
    if (!m->failed) {
        t->mask_of[slot] = t->path[0];
        t->mask_n[slot] = *n;
        t->next_mask = (slot + 1) % KG_MATCH_MASKS;
    }
    return mask;
}

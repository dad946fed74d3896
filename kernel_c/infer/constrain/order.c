/* The tokens of a vocabulary in the order of their bytes: see kgpt/matcher.h. */
#include "kgpt/matcher.h"

#include "kgpt/mem.h"

#define KEY_BYTES 8u

/* A token with its first bytes, the first one in the highest place: two keys compare as their texts do. */
struct token_key {
    uint64_t key;
    uint32_t id;
    uint32_t n;
};

void kg_token_order_carve(struct kg_token_order *order, const struct kg_vocab *vocab, struct kg_arena *arena)
{
    *order = (struct kg_token_order){.vocab = vocab};
    order->ids = kg_arena_array(arena, vocab->n_vocab, sizeof *order->ids);
    order->shared = kg_arena_array(arena, vocab->n_vocab, sizeof *order->shared);
    order->length = kg_arena_array(arena, vocab->n_vocab, sizeof *order->length);
    order->tails = kg_arena_take(arena, kg_vocab_bytes(vocab));
}

size_t kg_token_order_scratch(const struct kg_vocab *vocab)
{
    return 2 * (kg_arena_cost(vocab->n_vocab * sizeof(struct token_key)) + kg_arena_cost(vocab->longest));
}

static uint64_t key_of(const char *bytes, size_t n)
{
    uint64_t key = 0;
    for (size_t i = 0; i < KEY_BYTES; i++) {
        key = key << 8 | (i < n ? (uint8_t)bytes[i] : 0);
    }
    return key;
}

/* Radix sort, the lowest byte first. The result is in `keys`, since there is an even number of passes. */
static void sort_keys(struct token_key *keys, struct token_key *spare, uint32_t n)
{
    struct token_key *from = keys, *to = spare;
    for (uint32_t shift = 0; shift < 64; shift += 8) {
        uint32_t places[257] = {0};
        for (uint32_t i = 0; i < n; i++) {
            places[(from[i].key >> shift & 0xFF) + 1]++;
        }
        for (uint32_t byte = 0; byte < 256; byte++) {
            places[byte + 1] += places[byte];
        }
        for (uint32_t i = 0; i < n; i++) {
            to[places[from[i].key >> shift & 0xFF]++] = from[i];
        }
        struct token_key *swapped = from;
        from = to;
        to = swapped;
    }
}

/* Two pieces while their order is found out. */
struct pieces {
    const struct kg_vocab *vocab;
    char *a, *b; /* (longest) */
};

static bool piece_is_before(const struct pieces *p, const struct token_key *a, const struct token_key *b)
{
    if (a->key != b->key) {
        return a->key < b->key;
    }
    if (a->n > KEY_BYTES && b->n > KEY_BYTES) {
        kg_vocab_piece(p->vocab, a->id, p->a, false);
        kg_vocab_piece(p->vocab, b->id, p->b, false);
        int order = memcmp(p->a, p->b, a->n < b->n ? a->n : b->n);
        if (order != 0) {
            return order < 0;
        }
    }
    return a->n != b->n ? a->n < b->n : a->id < b->id;
}

/* Heapsort of tokens whose first bytes are the same: few, mostly. */
static void sink_key(const struct pieces *p, struct token_key *heap, uint32_t root, uint32_t n)
{
    for (uint64_t child; (child = 2 * (uint64_t)root + 1) < n; root = (uint32_t)child) {
        child += child + 1 < n && piece_is_before(p, &heap[child], &heap[child + 1]);
        if (!piece_is_before(p, &heap[root], &heap[child])) {
            return;
        }
        struct token_key moving = heap[root];
        heap[root] = heap[child];
        heap[child] = moving;
    }
}

static void sort_run(const struct pieces *p, struct token_key *keys, uint32_t n)
{
    for (uint32_t i = n / 2; i > 0; i--) {
        sink_key(p, keys, i - 1, n);
    }
    for (uint32_t end = n; end > 1; end--) {
        struct token_key largest = keys[0];
        keys[0] = keys[end - 1];
        keys[end - 1] = largest;
        sink_key(p, keys, 0, end - 1);
    }
}

static void sort_tokens(const struct pieces *p, struct token_key *keys, struct token_key *spare, uint32_t n)
{
    sort_keys(keys, spare, n);
    for (uint32_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && keys[end].key == keys[i].key; end++) {
        }
        sort_run(p, keys + i, end - i);
    }
}

/* Stores the sorted tokens. */
static void store_tokens(struct kg_token_order *order, const struct pieces *p, const struct token_key *keys)
{
    char *tail = order->tails, *last = p->a, *now = p->b;
    uint32_t n_last = 0;
    for (uint32_t i = 0; i < order->n; i++) {
        uint32_t shared = 0, n = keys[i].n;
        kg_vocab_piece(p->vocab, keys[i].id, now, false);
        while (shared < n_last && shared < n && now[shared] == last[shared]) {
            shared++;
        }
        order->ids[i] = keys[i].id;
        order->shared[i] = (uint16_t)shared;
        order->length[i] = (uint16_t)n;
        memcpy(tail, now + shared, n - shared);
        tail += n - shared;
        char *swapped = last;
        last = now;
        now = swapped;
        n_last = n;
    }
}

static void find_ends(struct kg_token_order *order, uint32_t end_token)
{
    order->n_ends = 0;
    for (uint32_t i = 0; i < order->vocab->n_vocab && order->n_ends < KG_MOST_ENDS; i++) {
        if (kg_vocab_ends(order->vocab, i) || i == end_token) {
            order->ends[order->n_ends++] = i;
        }
    }
}

static bool is_end(const struct kg_token_order *order, uint32_t token)
{
    bool end = false;
    for (uint32_t i = 0; i < order->n_ends; i++) {
        end = end || order->ends[i] == token;
    }
    return end;
}

enum kg_status kg_token_order_fill(struct kg_token_order *order, uint32_t end_token, struct kg_arena *scratch,
                                   struct kg_error *error)
{
    const struct kg_vocab *vocab = order->vocab;
    size_t used = scratch->used;
    struct token_key *keys = kg_arena_array(scratch, vocab->n_vocab, sizeof *keys);
    struct token_key *spare = kg_arena_array(scratch, vocab->n_vocab, sizeof *spare);
    struct pieces p = {vocab, kg_arena_take(scratch, vocab->longest), kg_arena_take(scratch, vocab->longest)};
    if (!keys || !spare || !p.a || !p.b) {
        kg_arena_rewind(scratch, used);
        return kg_error_set(error, KG_E_MEMORY, "the memory is too small to sort the %u tokens", vocab->n_vocab);
    }
    find_ends(order, end_token);
    order->n = 0;
    for (uint32_t i = 0; i < vocab->n_vocab; i++) {
        size_t n = is_end(order, i) ? 0 : kg_vocab_piece(vocab, i, p.a, false);
        if (n) {
            keys[order->n++] = (struct token_key){key_of(p.a, n), i, (uint32_t)n};
        }
    }
    sort_tokens(&p, keys, spare, order->n);
    store_tokens(order, &p, keys);
    kg_arena_rewind(scratch, used);
    return KG_OK;
}

/* Computes a tile of attention: see tile.h. */
#include "tile.h"

#include "kgpt/mem.h"

#define DIRECT 4u   /* queries: more read converted keys and values faster */
#define AHEAD 8192u /* bytes of keys, and of values */

static uint32_t later_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

struct kg_lm_desk kg_lm_desk_of(const struct kg_lm_pass *pass, uint32_t worker, uint32_t row)
{
    const struct kg_lm_attention *a = &pass->work->attention;
    float *work = a->work + (size_t)worker * KG_LM_WORK_ROWS * a->width;
    return (struct kg_lm_desk){
        .ops = pass->work->ops->attention,
        .scores = a->scores + row * a->stride,
        .stride = a->stride,
        .queries = work,
        .out = work + (size_t)KG_TILE_QUERIES * a->width,
        .block = work + (size_t)2 * KG_TILE_QUERIES * a->width,
        .width = a->width,
    };
}

/* Where query i of a tile, or its output, is in a row of the batch. */
static float *head_at(const struct kg_lm_tile *tile, const struct kg_lm_rows *rows, uint32_t i)
{
    const struct kg_lm_model *m = tile->pass->model;
    uint32_t group = kg_lm_group_of(m), query = tile->query + i;
    return kg_lm_row(rows, tile->run->first + query / group) +
           (size_t)(tile->kv_head * group + query % group) * m->head_dim;
}

void kg_lm_make_tile(struct kg_lm_tile *tile, const struct kg_lm_pass *pass, const struct kg_lm_run *run,
                     uint32_t kv_head, uint32_t query, uint32_t n)
{
    const struct kg_lm_kv *kv = run->kv;
    uint32_t window = pass->layer->window;
    tile->pass = pass;
    tile->run = run;
    tile->keys = kg_lm_kv_row(kv, false, pass->layer_number, kv_head);
    tile->values = kg_lm_kv_row(kv, true, pass->layer_number, kv_head);
    tile->kv_head = kv_head;
    tile->query = query;
    tile->n = n;
    for (uint32_t i = 0; i < n; i++) {
        tile->end[i] = run->position + (query + i) / kg_lm_group_of(pass->model) + 1;
        tile->first[i] = window && tile->end[i] > window ? tile->end[i] - window : 0;
    }
}

void kg_lm_gather_queries(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk)
{
    uint32_t dim = tile->pass->model->head_dim;
    for (uint32_t i = 0; i < tile->n; i++) {
        float *to = desk->queries + (size_t)i * desk->width;
        memcpy(to, head_at(tile, &tile->pass->work->query, i), dim * sizeof *to);
        memset(to + dim, 0, (desk->width - dim) * sizeof *to);
    }
}

/* Does a tile read the cache without converting it first? */
static bool is_direct(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    return tile->n <= DIRECT && desk->ops->kv_scores[kv->type] && kv->dim == desk->width;
}

/* Asks memory for the first positions that a tile reads: keys and values of each head are streams of their own, and the
 * hardware's prefetchers take a while to find them. Later positions are theirs: asking for these, too, is slower. */
void kg_lm_read_ahead(const struct kg_lm_tile *tile)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    uint32_t n;
    const uint8_t *keys = kg_lm_kv_at(kv, tile->keys, tile->first[0], tile->end[0], &n);
    const uint8_t *values = kg_lm_kv_at(kv, tile->values, tile->first[0], tile->end[0], &n);
    const uint64_t most = (uint64_t)n * kv->vector, to = most < AHEAD ? most : AHEAD;
    for (uint64_t at = 0; at < to; at += 64) {
        __builtin_prefetch(keys + at, 0, 2);
    }
    for (uint64_t at = 0; at < to; at += 64) {
        __builtin_prefetch(values + at, 0, 2);
    }
}

/* The next block of a tile that converts: memory is asked for it while the one before is computed, a part for each few
 * queries. Asked for at once, it would be waited for. */
struct ahead {
    const uint8_t *next, *end;
    uint32_t bytes; /* of a part */
};

static struct ahead block_behind(const struct kg_lm_tile *tile, struct kg_lm_kv_row row, uint32_t from, uint32_t to)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    const uint32_t parts = (tile->n + KG_TILE_SUM - 1) / KG_TILE_SUM;
    uint32_t n;
    if (from >= to) {
        return (struct ahead){0};
    }
    const uint8_t *heads = kg_lm_kv_at(kv, row, from, to, &n);
    const uint32_t bytes = kg_lm_earlier_of(n, KG_TILE_BLOCK) * kv->vector;
    return (struct ahead){heads, heads + bytes, (bytes + parts - 1) / parts};
}

static void ask_for_part(struct ahead *ahead)
{
    const uint8_t *next = ahead->next, *end = ahead->end;
    for (; next < end && next < ahead->next + ahead->bytes; next += 64) {
        __builtin_prefetch(next, 0, 3);
    }
    ahead->next = next;
}

/* Scores of positions from .. to - 1, for all queries: also those that a query does not read. */
void kg_lm_score_positions(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, uint32_t from, uint32_t to)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    const float scale = tile->pass->model->extra->attn_scale;
    const bool direct = is_direct(tile, desk);
    for (uint32_t n; from < to; from += n) {
        const uint8_t *keys = kg_lm_kv_at(kv, tile->keys, from, to, &n);
        if (direct) {
            desk->ops->kv_scores[kv->type](desk->scores + from, desk->stride, desk->queries, tile->n, keys, n, kv->dim,
                                           scale);
            continue;
        }
        n = kg_lm_earlier_of(n, KG_TILE_BLOCK);
        desk->ops->load[kv->type](desk->block, desk->width, keys, n, kv->dim, 0, kv->dim);
        struct ahead ahead = block_behind(tile, tile->keys, from + n, to);
        for (uint32_t q = 0; q < tile->n; q += KG_TILE_SUM) {
            ask_for_part(&ahead);
            desk->ops->scores(desk->scores + q * desk->stride + from, desk->stride,
                              desk->queries + (size_t)q * desk->width, kg_lm_earlier_of(tile->n - q, KG_TILE_SUM),
                              desk->block, n, desk->width, scale);
        }
    }
}

/* The sum of each of four rows, in the order of the positions; the four chains of additions overlap. */
static void add_up_four(float *totals, const float *const *rows, uint32_t n)
{
    float a = totals[0], b = totals[1], c = totals[2], d = totals[3];
    for (uint32_t i = 0; i < n; i++) {
        a += rows[0][i];
        b += rows[1][i];
        c += rows[2][i];
        d += rows[3][i];
    }
    totals[0] = a, totals[1] = b, totals[2] = c, totals[3] = d;
}

void kg_lm_add_up_rows(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, float *totals)
{
    for (uint32_t i = 0; i < tile->n; i += 4) {
        uint32_t n = kg_lm_earlier_of(tile->n - i, 4), common = UINT32_MAX;
        const float *rows[4];
        for (uint32_t q = 0; q < 4; q++) { /* fewer than four: the last one again */
            uint32_t at = i + kg_lm_earlier_of(q, n - 1);
            rows[q] = desk->scores + at * desk->stride + tile->first[at];
            common = kg_lm_earlier_of(common, tile->end[at] - tile->first[at]);
        }
        float four[4] = {0};
        add_up_four(four, rows, common);
        for (uint32_t q = 0; q < n; q++) {
            for (uint32_t at = common; at < tile->end[i + q] - tile->first[i + q]; at++) {
                four[q] += rows[q][at];
            }
            totals[i + q] = four[q];
        }
    }
}

/* Positions of a tile whose values are being added. */
struct block {
    uint32_t start, end;
    uint32_t first_dim, width; /* of the values that the worker adds */
    bool direct;               /* read from the cache; otherwise from the desk's block */
    float weights[KG_TILE_QUERIES * KG_TILE_BLOCK];
};

/* The values of positions from .. to - 1, for some queries. */
static void add_value_range(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, const struct block *block,
                            uint32_t query, uint32_t queries, uint32_t from, uint32_t to)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    float *out = desk->out + (size_t)query * desk->width;
    const float *weights = block->weights + (size_t)query * KG_TILE_BLOCK + from - block->start;
    if (from >= to) {
        return;
    }
    if (!block->direct) {
        desk->ops->add_values(out, desk->width, weights, KG_TILE_BLOCK, queries,
                              desk->block + (size_t)(from - block->start) * block->width, to - from, block->width);
        return;
    }
    for (uint32_t n; from < to; from += n, weights += n) {
        const uint8_t *values = kg_lm_kv_at(kv, tile->values, from, to, &n);
        desk->ops->kv_add[kv->type](out, desk->width, weights, KG_TILE_BLOCK, queries, values, n, kv->dim,
                                    block->first_dim, block->width);
    }
}

/* Up to KG_TILE_SUM queries. Positions that all of them read are added for all at once, those before and behind for
 * each query alone. So nothing is added for a position that a query does not read: its value may be infinite. */
static void add_block(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, const struct block *block,
                      uint32_t query, uint32_t queries)
{
    uint32_t from[KG_TILE_SUM], to[KG_TILE_SUM], low = block->start, high = block->end;
    for (uint32_t i = 0; i < queries; i++) {
        from[i] = later_of(block->start, tile->first[query + i]);
        to[i] = kg_lm_earlier_of(block->end, tile->end[query + i]);
        low = later_of(low, from[i]);
        high = kg_lm_earlier_of(high, to[i]);
    }
    for (uint32_t i = 0; i < queries; i++) {
        add_value_range(tile, desk, block, query + i, 1, from[i], low < high ? low : to[i]);
    }
    if (low < high) {
        add_value_range(tile, desk, block, query, queries, low, high);
        for (uint32_t i = 0; i < queries; i++) {
            add_value_range(tile, desk, block, query + i, 1, high, to[i]);
        }
    }
}

/* Divides the powers of the block's positions by their sums. */
static void weigh_block(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, struct block *block,
                        const float *totals)
{
    for (uint32_t q = 0; q < tile->n; q++) {
        uint32_t from = later_of(block->start, tile->first[q]), to = kg_lm_earlier_of(block->end, tile->end[q]);
        if (from < to) {
            desk->ops->divide(block->weights + q * KG_TILE_BLOCK + from - block->start,
                              desk->scores + q * desk->stride + from, to - from, totals[q]);
        }
    }
}

/* Values `first_dim` .. end_dim - 1 of the outputs, from the powers. */
void kg_lm_add_positions(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, const float *totals,
                         uint32_t first_dim, uint32_t end_dim)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    const uint32_t last = tile->end[tile->n - 1];
    struct block block; /* its weights are written before they are read */
    block.first_dim = first_dim;
    block.width = (end_dim - first_dim + KG_LANES - 1) / KG_LANES * KG_LANES;
    block.direct = is_direct(tile, desk);
    memset(desk->out, 0, (size_t)tile->n * desk->width * sizeof *desk->out);
    for (uint32_t start = tile->first[0]; start < last; start = block.end) {
        block.start = start;
        block.end = kg_lm_earlier_of(last, start + KG_TILE_BLOCK);
        for (uint32_t at = start, n; !block.direct && at < block.end; at += n) {
            const uint8_t *values = kg_lm_kv_at(kv, tile->values, at, block.end, &n);
            desk->ops->load[kv->type](desk->block + (size_t)(at - start) * block.width, block.width, values, n, kv->dim,
                                      first_dim, end_dim);
        }
        struct ahead ahead = {0};
        if (!block.direct) {
            ahead = block_behind(tile, tile->values, block.end, last);
        }
        weigh_block(tile, desk, &block, totals);
        for (uint32_t q = 0; q < tile->n; q += KG_TILE_SUM) {
            ask_for_part(&ahead);
            add_block(tile, desk, &block, q, kg_lm_earlier_of(tile->n - q, KG_TILE_SUM));
        }
    }
    for (uint32_t i = 0; i < tile->n; i++) {
        memcpy(head_at(tile, &tile->pass->work->attended, i) + first_dim, desk->out + (size_t)i * desk->width,
               (end_dim - first_dim) * sizeof *desk->out);
    }
}

/* For a session that wants them: the weights of its last token in the pass, by the division of weigh_block. */
static void keep_attention_weights(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk, const float *totals)
{
    const struct kg_lm_session *session = tile->run->session;
    uint32_t group = kg_lm_group_of(tile->pass->model), n_ctx = session->options.n_ctx;
    for (uint32_t i = 0; i < tile->n && session->attention; i++) {
        uint32_t query = tile->query + i, from = tile->first[i], n = tile->end[i] - from;
        if (query / group == tile->run->n - 1) {
            float *row = session->attention + (size_t)(tile->kv_head * group + query % group) * n_ctx;
            memset(row, 0, n_ctx * sizeof *row);
            desk->ops->divide(row + from, desk->scores + i * desk->stride + from, n, totals[i]);
        }
    }
}

/* The scores become powers, while memory is asked for the first values. */
static void raise_rows(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk)
{
    struct ahead ahead = block_behind(tile, tile->values, tile->first[0], tile->end[tile->n - 1]);
    for (uint32_t i = 0; i < tile->n; i++) {
        float *row = desk->scores + i * desk->stride + tile->first[i];
        size_t n = tile->end[i] - tile->first[i];
        if (i % KG_TILE_SUM == 0 && !is_direct(tile, desk)) {
            ask_for_part(&ahead);
        }
        desk->ops->powers(row, n, desk->ops->largest(row, n));
    }
}

void kg_lm_attend_tile(const struct kg_lm_tile *tile, const struct kg_lm_desk *desk)
{
    float totals[KG_TILE_QUERIES];
    kg_lm_gather_queries(tile, desk);
    kg_lm_score_positions(tile, desk, tile->first[0], tile->end[tile->n - 1]);
    raise_rows(tile, desk);
    kg_lm_add_up_rows(tile, desk, totals);
    keep_attention_weights(tile, desk, totals);
    kg_lm_add_positions(tile, desk, totals, 0, tile->pass->model->head_dim);
}

/* Attention of a batch.
 *
 * A tile is up to TILE queries that read the same keys: heads of one group, of successive tokens. BLOCK keys are
 * converted to floats at once for all of them; then come their weights, then BLOCK values at a time. Tiles do not
 * depend on each other, so the workers share them. If there are too few tiles, as for a single token with few key
 * heads, the workers share the positions of the scores and the dimensions of the outputs. */
#include "attention.h"

#include "kgpt/mem.h"
#include "state.h"

#define TILE 16u            /* queries */
#define BLOCK 32u           /* positions; a multiple of KG_LANES */
#define DIMS 32u            /* that one worker computes at least: what shares a scale in the cache */
#define DIRECT 4u           /* queries: more read converted keys and values faster */
#define SUM 4u              /* queries whose values are added at once */
#define AHEAD 8192u         /* bytes of keys, and of values */
#define SPLIT_POSITIONS 64u /* fewer take less time than waking the workers twice more */

_Static_assert(KG_LM_WORK_ROWS == 2 * TILE + BLOCK, "queries, outputs, and keys or values");

/* A worker's part of the buffers. */
struct desk {
    const struct kg_attention_ops *ops;
    float *scores; /* (n, stride) */
    size_t stride;
    float *queries, *out; /* (n, width) */
    float *block;         /* (BLOCK, width) */
    uint32_t width;
};

struct tile {
    const struct kg_lm_pass *pass;
    const struct kg_lm_run *run;
    struct kg_lm_kv_row keys, values;
    uint32_t kv_head, query, n;      /* of the run's queries that read this key head: the first, and how many */
    uint32_t first[TILE], end[TILE]; /* the positions that each one reads */
};

static uint32_t earlier_of(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t later_of(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

void kg_lm_attention_carve(struct kg_lm_attention *attention, const struct kg_lm_model *model,
                           const struct kg_lm_options *options, struct kg_arena *arena)
{
    uint64_t most = (uint64_t)model->n_head * options->n_batch;
    attention->slots = most < KG_LM_MOST_ATTENDING ? (uint32_t)most : KG_LM_MOST_ATTENDING;
    attention->rows = later_of(attention->slots, model->n_head);
    attention->width = (model->head_dim + KG_LANES - 1) / KG_LANES * KG_LANES;
    attention->stride = (size_t)(options->n_ctx + KG_LANES - 1) / KG_LANES * KG_LANES + KG_LANES;
    attention->scores = kg_arena_array(arena, attention->rows * attention->stride, sizeof *attention->scores);
    attention->largest =
        kg_arena_array(arena, (uint64_t)attention->rows * attention->slots, sizeof *attention->largest);
    attention->work =
        kg_arena_array(arena, (uint64_t)attention->slots * KG_LM_WORK_ROWS * attention->width, sizeof *attention->work);
}

static struct desk desk_of(const struct kg_lm_pass *pass, uint32_t worker, uint32_t row)
{
    const struct kg_lm_attention *a = &pass->work->attention;
    float *work = a->work + (size_t)worker * KG_LM_WORK_ROWS * a->width;
    return (struct desk){
        .ops = pass->work->ops->attention,
        .scores = a->scores + row * a->stride,
        .stride = a->stride,
        .queries = work,
        .out = work + (size_t)TILE * a->width,
        .block = work + (size_t)2 * TILE * a->width,
        .width = a->width,
    };
}

static uint32_t group_of(const struct kg_lm_model *m)
{
    return m->n_head / m->n_head_kv;
}

/* Where query i of a tile, or its output, is in a row of the batch. */
static float *head_at(const struct tile *tile, const struct kg_lm_rows *rows, uint32_t i)
{
    const struct kg_lm_model *m = tile->pass->model;
    uint32_t group = group_of(m), query = tile->query + i;
    return kg_lm_row(rows, tile->run->first + query / group) +
           (size_t)(tile->kv_head * group + query % group) * m->head_dim;
}

static void make_tile(struct tile *tile, const struct kg_lm_pass *pass, const struct kg_lm_run *run, uint32_t kv_head,
                      uint32_t query, uint32_t n)
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
        tile->end[i] = run->position + (query + i) / group_of(pass->model) + 1;
        tile->first[i] = window && tile->end[i] > window ? tile->end[i] - window : 0;
    }
}

static void gather_queries(const struct tile *tile, const struct desk *desk)
{
    uint32_t dim = tile->pass->model->head_dim;
    for (uint32_t i = 0; i < tile->n; i++) {
        float *to = desk->queries + (size_t)i * desk->width;
        memcpy(to, head_at(tile, &tile->pass->work->query, i), dim * sizeof *to);
        memset(to + dim, 0, (desk->width - dim) * sizeof *to);
    }
}

/* Does a tile read the cache without converting it first? */
static bool is_direct(const struct tile *tile, const struct desk *desk)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    return tile->n <= DIRECT && desk->ops->kv_scores[kv->type] && kv->dim == desk->width;
}

/* Asks memory for the first positions that a tile reads: keys and values of each head are streams of their own, and the
 * hardware's prefetchers take a while to find them. Later positions are theirs: asking for these, too, is slower. */
static void read_ahead(const struct tile *tile)
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

/* Scores of positions from .. to - 1, for all queries: also those that a query does not read. */
static void score_positions(const struct tile *tile, const struct desk *desk, uint32_t from, uint32_t to)
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
        n = earlier_of(n, BLOCK);
        desk->ops->load[kv->type](desk->block, desk->width, keys, n, kv->dim, 0, kv->dim);
        desk->ops->scores(desk->scores + from, desk->stride, desk->queries, tile->n, desk->block, n, desk->width,
                          scale);
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

static void add_up_rows(const struct tile *tile, const struct desk *desk, float *totals)
{
    for (uint32_t i = 0; i < tile->n; i += 4) {
        uint32_t n = earlier_of(tile->n - i, 4), common = UINT32_MAX;
        const float *rows[4];
        for (uint32_t q = 0; q < 4; q++) { /* fewer than four: the last one again */
            uint32_t at = i + earlier_of(q, n - 1);
            rows[q] = desk->scores + at * desk->stride + tile->first[at];
            common = earlier_of(common, tile->end[at] - tile->first[at]);
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
    float weights[TILE * BLOCK];
};

/* The values of positions from .. to - 1, for some queries. */
static void add_value_range(const struct tile *tile, const struct desk *desk, const struct block *block, uint32_t query,
                            uint32_t queries, uint32_t from, uint32_t to)
{
    const struct kg_lm_kv *kv = tile->run->kv;
    float *out = desk->out + (size_t)query * desk->width;
    const float *weights = block->weights + (size_t)query * BLOCK + from - block->start;
    if (from >= to) {
        return;
    }
    if (!block->direct) {
        desk->ops->add_values(out, desk->width, weights, BLOCK, queries,
                              desk->block + (size_t)(from - block->start) * block->width, to - from, block->width);
        return;
    }
    for (uint32_t n; from < to; from += n, weights += n) {
        const uint8_t *values = kg_lm_kv_at(kv, tile->values, from, to, &n);
        desk->ops->kv_add[kv->type](out, desk->width, weights, BLOCK, queries, values, n, kv->dim, block->first_dim,
                                    block->width);
    }
}

/* Up to SUM queries. Positions that all of them read are added for all at once, those before and behind for each
 * query alone. So nothing is added for a position that a query does not read: its value may be infinite. */
static void add_block(const struct tile *tile, const struct desk *desk, const struct block *block, uint32_t query,
                      uint32_t queries)
{
    uint32_t from[SUM], to[SUM], low = block->start, high = block->end;
    for (uint32_t i = 0; i < queries; i++) {
        from[i] = later_of(block->start, tile->first[query + i]);
        to[i] = earlier_of(block->end, tile->end[query + i]);
        low = later_of(low, from[i]);
        high = earlier_of(high, to[i]);
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
static void weigh_block(const struct tile *tile, const struct desk *desk, struct block *block, const float *totals)
{
    for (uint32_t q = 0; q < tile->n; q++) {
        uint32_t from = later_of(block->start, tile->first[q]), to = earlier_of(block->end, tile->end[q]);
        if (from < to) {
            float *row = block->weights + q * BLOCK + from - block->start;
            memcpy(row, desk->scores + q * desk->stride + from, (to - from) * sizeof *row);
            desk->ops->divide(row, to - from, totals[q]);
        }
    }
}

/* Values `first_dim` .. end_dim - 1 of the outputs, from the powers. */
static void add_positions(const struct tile *tile, const struct desk *desk, const float *totals, uint32_t first_dim,
                          uint32_t end_dim)
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
        block.end = earlier_of(last, start + BLOCK);
        for (uint32_t at = start, n; !block.direct && at < block.end; at += n) {
            const uint8_t *values = kg_lm_kv_at(kv, tile->values, at, block.end, &n);
            desk->ops->load[kv->type](desk->block + (size_t)(at - start) * block.width, block.width, values, n, kv->dim,
                                      first_dim, end_dim);
        }
        weigh_block(tile, desk, &block, totals);
        for (uint32_t q = 0; q < tile->n; q += SUM) {
            add_block(tile, desk, &block, q, earlier_of(tile->n - q, SUM));
        }
    }
    for (uint32_t i = 0; i < tile->n; i++) {
        memcpy(head_at(tile, &tile->pass->work->attended, i) + first_dim, desk->out + (size_t)i * desk->width,
               (end_dim - first_dim) * sizeof *desk->out);
    }
}

/* For a session that wants them: the weights of its last token in the pass, by the division of weigh_block. */
static void keep_attention_weights(const struct tile *tile, const struct desk *desk, const float *totals)
{
    const struct kg_lm_session *session = tile->run->session;
    uint32_t group = group_of(tile->pass->model), n_ctx = session->options.n_ctx;
    for (uint32_t i = 0; i < tile->n && session->attention; i++) {
        uint32_t query = tile->query + i, from = tile->first[i], n = tile->end[i] - from;
        if (query / group == tile->run->n - 1) {
            float *row = session->attention + (size_t)(tile->kv_head * group + query % group) * n_ctx;
            memset(row, 0, n_ctx * sizeof *row);
            memcpy(row + from, desk->scores + i * desk->stride + from, n * sizeof *row);
            desk->ops->divide(row + from, n, totals[i]);
        }
    }
}

static void attend_tile(const struct tile *tile, const struct desk *desk)
{
    float totals[TILE];
    gather_queries(tile, desk);
    score_positions(tile, desk, tile->first[0], tile->end[tile->n - 1]);
    for (uint32_t i = 0; i < tile->n; i++) {
        float *row = desk->scores + i * desk->stride + tile->first[i];
        size_t n = tile->end[i] - tile->first[i];
        desk->ops->powers(row, n, desk->ops->largest(row, n));
    }
    add_up_rows(tile, desk, totals);
    keep_attention_weights(tile, desk, totals);
    add_positions(tile, desk, totals, 0, tile->pass->model->head_dim);
}

struct attend {
    const struct kg_lm_pass *pass;
    uint32_t workers; /* that take part */
    bool split;       /* are positions and dimensions shared, and not tiles? */
};

/* Does the worker with the most of `tiles` have over a quarter more than the average? */
static bool is_uneven(uint64_t tiles, uint32_t workers)
{
    return (tiles + workers - 1) / workers * workers * 4 > tiles * 5;
}

/* Does a single token read many positions, with too few key heads for the workers? Only whole tiles keep weights. */
static bool should_split(const struct kg_lm_pass *pass, uint32_t workers)
{
    return pass->n == 1 && !pass->runs[0].session->attention && pass->tokens[0].position >= SPLIT_POSITIONS &&
           group_of(pass->model) <= TILE && is_uneven(pass->model->n_head_kv, workers);
}

/* Tile `number` of a run: up to `most` queries. */
static void number_tile(struct tile *tile, const struct kg_lm_pass *pass, const struct kg_lm_run *run, uint64_t number,
                        uint32_t most)
{
    uint32_t queries = group_of(pass->model) * run->n, tiles = (queries + most - 1) / most;
    uint32_t query = (uint32_t)(number % tiles) * most;
    make_tile(tile, pass, run, (uint32_t)(number / tiles), query, earlier_of(queries - query, most));
}

/* Those tiles of a run whose numbers are from .. to - 1. */
static void attend_run(const struct attend *attend, const struct kg_lm_run *run, uint32_t most, uint64_t from,
                       uint64_t to, const struct desk *desk)
{
    struct tile tile;
    for (uint64_t i = from; i < to && run->n == 1; i++) {
        number_tile(&tile, attend->pass, run, i, most);
        read_ahead(&tile);
    }
    for (uint64_t i = from; i < to; i++) {
        number_tile(&tile, attend->pass, run, i, most);
        attend_tile(&tile, desk);
    }
}

static uint64_t tiles_of(const struct kg_lm_model *m, const struct kg_lm_run *run, uint32_t most)
{
    return (uint64_t)m->n_head_kv * ((group_of(m) * run->n + most - 1) / most);
}

static uint64_t all_tiles(const struct kg_lm_pass *pass, uint32_t most)
{
    uint64_t tiles = 0;
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        tiles += tiles_of(pass->model, &pass->runs[i], most);
    }
    return tiles;
}

/* Queries of a tile: as many as a worker has rows for, or fewer where a small batch would leave workers idle. */
static uint32_t tile_size(const struct kg_lm_pass *pass, uint32_t workers)
{
    uint32_t most = earlier_of(pass->work->attention.rows / workers, TILE);
    while (most >= 2 * SUM && is_uneven(all_tiles(pass, most), workers)) {
        most -= SUM;
    }
    return most;
}

/* The tiles of all runs form one sequence, and each worker takes one piece of it. */
static void share_tiles(const struct attend *attend, uint32_t worker)
{
    const struct kg_lm_pass *pass = attend->pass;
    const uint32_t most = tile_size(pass, attend->workers);
    const struct desk desk = desk_of(pass, worker, worker * most);
    uint64_t all = all_tiles(pass, most), start = 0;
    uint64_t from = all * worker / attend->workers, to = all * (worker + 1) / attend->workers;
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        uint64_t end = start + tiles_of(pass->model, &pass->runs[i], most);
        uint64_t low = from > start ? from : start, high = to < end ? to : end;
        if (low < high) {
            attend_run(attend, &pass->runs[i], most, low - start, high - start, &desk);
        }
        start = end;
    }
}

/* The part of a worker in one key head, of `units` for each: false if there is none. */
static bool part_of_head(const struct attend *attend, uint32_t worker, uint32_t kv_head, uint32_t units, uint32_t *from,
                         uint32_t *to)
{
    uint64_t all = (uint64_t)attend->pass->model->n_head_kv * units, start = (uint64_t)kv_head * units;
    uint64_t low = all * worker / attend->workers, high = all * (worker + 1) / attend->workers;
    low = low > start ? low - start : 0;
    high = high > start ? high - start : 0;
    *from = (uint32_t)(low < units ? low : units);
    *to = (uint32_t)(high < units ? high : units);
    return *from < *to;
}

static uint32_t blocks_of_tile(const struct tile *tile)
{
    return (tile->end[0] - tile->first[0] + BLOCK - 1) / BLOCK;
}

/* The tile of a token's key head, whose rows of scores lie behind those of the heads before. */
static struct desk split_tile(const struct attend *attend, uint32_t worker, uint32_t kv_head, struct tile *tile)
{
    uint32_t group = group_of(attend->pass->model);
    make_tile(tile, attend->pass, &attend->pass->runs[0], kv_head, 0, group);
    return desk_of(attend->pass, worker, kv_head * group);
}

/* Positions of a worker in a tile. */
static bool positions_of(const struct attend *attend, uint32_t worker, const struct tile *tile, uint32_t *from,
                         uint32_t *to)
{
    if (!part_of_head(attend, worker, tile->kv_head, blocks_of_tile(tile), from, to)) {
        return false;
    }
    *from = tile->first[0] + *from * BLOCK;
    *to = earlier_of(tile->first[0] + *to * BLOCK, tile->end[0]);
    return true;
}

/* Of query i: of the part of its scores that a worker has computed. */
static float *largest_at(const struct attend *attend, const struct tile *tile, uint32_t i, uint32_t worker)
{
    const struct kg_lm_attention *a = &attend->pass->work->attention;
    return a->largest + ((size_t)tile->kv_head * tile->n + i) * a->slots + worker;
}

static void share_scores(const struct attend *attend, uint32_t worker)
{
    for (uint32_t head = 0; head < attend->pass->model->n_head_kv; head++) {
        struct tile tile;
        struct desk desk = split_tile(attend, worker, head, &tile);
        uint32_t from, to;
        if (positions_of(attend, worker, &tile, &from, &to)) {
            gather_queries(&tile, &desk);
            score_positions(&tile, &desk, from, to);
            for (uint32_t i = 0; i < tile.n; i++) {
                const float *row = desk.scores + i * desk.stride;
                *largest_at(attend, &tile, i, worker) = desk.ops->largest(row + from, to - from);
            }
        }
    }
}

/* Workers exponentiate the positions that they have scored. */
static void share_powers(const struct attend *attend, uint32_t worker)
{
    for (uint32_t head = 0; head < attend->pass->model->n_head_kv; head++) {
        struct tile tile;
        struct desk desk = split_tile(attend, worker, head, &tile);
        uint32_t from, to, low, high;
        if (!positions_of(attend, worker, &tile, &from, &to)) {
            continue;
        }
        for (uint32_t i = 0; i < tile.n; i++) {
            float largest = *largest_at(attend, &tile, i, worker);
            for (uint32_t other = 0; other < attend->workers; other++) {
                if (positions_of(attend, other, &tile, &low, &high)) {
                    float theirs = *largest_at(attend, &tile, i, other);
                    largest = theirs > largest ? theirs : largest;
                }
            }
            desk.ops->powers(desk.scores + i * desk.stride + from, to - from, largest);
        }
    }
}

static void share_dimensions(const struct attend *attend, uint32_t worker)
{
    uint32_t dim = attend->pass->model->head_dim;
    for (uint32_t head = 0; head < attend->pass->model->n_head_kv; head++) {
        struct tile tile;
        struct desk desk = split_tile(attend, worker, head, &tile);
        uint32_t from, to;
        if (part_of_head(attend, worker, head, (dim + DIMS - 1) / DIMS, &from, &to)) {
            float totals[TILE];
            add_up_rows(&tile, &desk, totals);
            add_positions(&tile, &desk, totals, from * DIMS, earlier_of(to * DIMS, dim));
        }
    }
}

/* The first step: all tiles, or the scores of a split token. */
static void begin_share(void *context, uint32_t worker, uint32_t workers)
{
    struct attend *attend = context, mine = {.pass = attend->pass};
    mine.workers = earlier_of(workers, mine.pass->work->attention.slots);
    mine.split = should_split(mine.pass, mine.workers);
    if (worker < mine.workers) {
        (mine.split ? share_scores : share_tiles)(&mine, worker);
    }
    if (worker == 0) {
        attend->workers = mine.workers;
        attend->split = mine.split;
    }
}

static void powers_share(void *context, uint32_t worker, uint32_t workers)
{
    (void)workers;
    const struct attend *attend = context;
    if (worker < attend->workers) {
        share_powers(attend, worker);
    }
}

static void dimensions_share(void *context, uint32_t worker, uint32_t workers)
{
    (void)workers;
    const struct attend *attend = context;
    if (worker < attend->workers) {
        share_dimensions(attend, worker);
    }
}

void kg_lm_attend(const struct kg_lm_pass *pass)
{
    struct attend attend = {.pass = pass};
    kg_workers_run(pass->work->workers, begin_share, &attend);
    if (attend.split) {
        kg_workers_run(pass->work->workers, powers_share, &attend);
        kg_workers_run(pass->work->workers, dimensions_share, &attend);
    }
}

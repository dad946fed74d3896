/* Shares the attention of a batch among the workers. There are tiles enough for all of them, or, as for a single token
 * with few key heads, too few: then the workers share the positions of the scores and the dimensions of the outputs. */
#include "tile.h"

#define DIMS 32u            /* that one worker computes at least: what shares a scale in the cache */
#define SPLIT_POSITIONS 64u /* fewer take less time than waking the workers twice more */

void kg_lm_attention_carve(struct kg_lm_attention *attention, const struct kg_lm_model *model,
                           const struct kg_lm_options *options, struct kg_arena *arena)
{
    uint64_t most = (uint64_t)model->n_head * options->n_batch;
    attention->slots = most < KG_LM_MOST_ATTENDING ? (uint32_t)most : KG_LM_MOST_ATTENDING;
    attention->rows = attention->slots > model->n_head ? attention->slots : model->n_head;
    attention->width = (model->head_dim + KG_LANES - 1) / KG_LANES * KG_LANES;
    attention->stride = (size_t)(options->n_ctx + KG_LANES - 1) / KG_LANES * KG_LANES + KG_LANES;
    attention->scores = kg_arena_array(arena, attention->rows * attention->stride, sizeof *attention->scores);
    attention->largest =
        kg_arena_array(arena, (uint64_t)attention->rows * attention->slots, sizeof *attention->largest);
    attention->work =
        kg_arena_array(arena, (uint64_t)attention->slots * KG_LM_WORK_ROWS * attention->width, sizeof *attention->work);
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
           kg_lm_group_of(pass->model) <= KG_TILE_QUERIES && is_uneven(pass->model->n_head_kv, workers);
}

/* How workers cut a pass into tiles. */
struct cut {
    uint32_t unit; /* queries that one worker takes together */
    uint32_t most; /* units of a tile */
};

/* A tile is as large as a worker has rows for, so that keys and values are converted seldom. */
static struct cut cut_for(const struct kg_lm_pass *pass, uint32_t workers)
{
    const uint32_t rows = pass->work->attention.rows / workers;
    const uint32_t unit = kg_lm_earlier_of(rows, KG_TILE_SUM);
    return (struct cut){unit, kg_lm_earlier_of(rows, KG_TILE_QUERIES) / unit};
}

/* Units of a run that read one key head. */
static uint32_t units_of_head(const struct kg_lm_model *m, const struct kg_lm_run *run, uint32_t unit)
{
    return (kg_lm_group_of(m) * run->n + unit - 1) / unit;
}

static uint64_t units_of(const struct kg_lm_model *m, const struct kg_lm_run *run, uint32_t unit)
{
    return (uint64_t)m->n_head_kv * units_of_head(m, run, unit);
}

static uint64_t all_units(const struct kg_lm_pass *pass, uint32_t unit)
{
    uint64_t units = 0;
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        units += units_of(pass->model, &pass->runs[i], unit);
    }
    return units;
}

/* The tile that begins with unit `from` of a run, and ends before unit `to`. Returns the unit behind it. */
static uint64_t tile_from(struct kg_lm_tile *tile, const struct kg_lm_pass *pass, const struct kg_lm_run *run,
                          const struct cut *cut, uint64_t from, uint64_t to)
{
    const uint32_t units = units_of_head(pass->model, run, cut->unit), queries = kg_lm_group_of(pass->model) * run->n;
    const uint32_t first = (uint32_t)(from % units), query = first * cut->unit;
    uint64_t left = to - from < units - first ? to - from : units - first;
    uint32_t n = left < cut->most ? (uint32_t)left : cut->most;
    kg_lm_make_tile(tile, pass, run, (uint32_t)(from / units), query, kg_lm_earlier_of(queries - query, n * cut->unit));
    return from + n;
}

/* Units from .. to - 1 of a run. */
static void attend_run(const struct kg_lm_pass *pass, const struct kg_lm_run *run, const struct cut *cut, uint64_t from,
                       uint64_t to, const struct kg_lm_desk *desk)
{
    struct kg_lm_tile tile;
    for (uint64_t at = from; at < to && run->n == 1;) {
        at = tile_from(&tile, pass, run, cut, at, to);
        kg_lm_read_ahead(&tile);
    }
    for (uint64_t at = from; at < to;) {
        at = tile_from(&tile, pass, run, cut, at, to);
        kg_lm_attend_tile(&tile, desk);
    }
}

/* The units of all runs form one sequence, and each worker takes one piece of it. */
static void share_tiles(const struct attend *attend, uint32_t worker)
{
    const struct kg_lm_pass *pass = attend->pass;
    const struct cut cut = cut_for(pass, attend->workers);
    const struct kg_lm_desk desk = kg_lm_desk_of(pass, worker, worker * cut.most * cut.unit);
    uint64_t all = all_units(pass, cut.unit), start = 0;
    uint64_t from = all * worker / attend->workers, to = all * (worker + 1) / attend->workers;
    for (uint32_t i = 0; i < pass->n_runs; i++) {
        uint64_t end = start + units_of(pass->model, &pass->runs[i], cut.unit);
        uint64_t low = from > start ? from : start, high = to < end ? to : end;
        if (low < high) {
            attend_run(pass, &pass->runs[i], &cut, low - start, high - start, &desk);
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

static uint32_t blocks_of_tile(const struct kg_lm_tile *tile)
{
    return (tile->end[0] - tile->first[0] + KG_TILE_BLOCK - 1) / KG_TILE_BLOCK;
}

/* The tile of a token's key head, whose rows of scores lie behind those of the heads before. */
static struct kg_lm_desk split_tile(const struct attend *attend, uint32_t worker, uint32_t kv_head,
                                    struct kg_lm_tile *tile)
{
    uint32_t group = kg_lm_group_of(attend->pass->model);
    kg_lm_make_tile(tile, attend->pass, &attend->pass->runs[0], kv_head, 0, group);
    return kg_lm_desk_of(attend->pass, worker, kv_head * group);
}

/* Positions of a worker in a tile. */
static bool positions_of(const struct attend *attend, uint32_t worker, const struct kg_lm_tile *tile, uint32_t *from,
                         uint32_t *to)
{
    if (!part_of_head(attend, worker, tile->kv_head, blocks_of_tile(tile), from, to)) {
        return false;
    }
    *from = tile->first[0] + *from * KG_TILE_BLOCK;
    *to = kg_lm_earlier_of(tile->first[0] + *to * KG_TILE_BLOCK, tile->end[0]);
    return true;
}

/* Of query i: of the part of its scores that a worker has computed. */
static float *largest_at(const struct attend *attend, const struct kg_lm_tile *tile, uint32_t i, uint32_t worker)
{
    const struct kg_lm_attention *a = &attend->pass->work->attention;
    return a->largest + ((size_t)tile->kv_head * tile->n + i) * a->slots + worker;
}

static void share_scores(const struct attend *attend, uint32_t worker)
{
    for (uint32_t head = 0; head < attend->pass->model->n_head_kv; head++) {
        struct kg_lm_tile tile;
        struct kg_lm_desk desk = split_tile(attend, worker, head, &tile);
        uint32_t from, to;
        if (positions_of(attend, worker, &tile, &from, &to)) {
            kg_lm_gather_queries(&tile, &desk);
            kg_lm_score_positions(&tile, &desk, from, to);
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
        struct kg_lm_tile tile;
        struct kg_lm_desk desk = split_tile(attend, worker, head, &tile);
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
        struct kg_lm_tile tile;
        struct kg_lm_desk desk = split_tile(attend, worker, head, &tile);
        uint32_t from, to;
        if (part_of_head(attend, worker, head, (dim + DIMS - 1) / DIMS, &from, &to)) {
            float totals[KG_TILE_QUERIES];
            kg_lm_add_up_rows(&tile, &desk, totals);
            kg_lm_add_positions(&tile, &desk, totals, from * DIMS, kg_lm_earlier_of(to * DIMS, dim));
        }
    }
}

/* The first step: all tiles, or the scores of a split token. */
static void begin_share(void *context, uint32_t worker, uint32_t workers)
{
    struct attend *attend = context, mine = {.pass = attend->pass};
    mine.workers = kg_lm_earlier_of(workers, mine.pass->work->attention.slots);
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

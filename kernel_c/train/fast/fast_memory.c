/* How large everything of a training is, and where it lies. */
#include "fast.h"
#include "kgpt/math.h"

static uint32_t pad_to_lanes(uint32_t n)
{
    return (n + KG_FAST_LANES - 1) / KG_FAST_LANES * KG_FAST_LANES;
}

struct kg_fast_dims kg_fast_dims_of(const struct kg_shape *shape)
{
    uint32_t head_dim = shape->n_embd / shape->n_head;
    struct kg_fast_dims d = {
        .n_vocab = shape->n_vocab,
        .n_ctx = shape->n_ctx,
        .n_embd = shape->n_embd,
        .n_layer = shape->n_layer,
        .n_head = shape->n_head,
        .n_ff = shape->n_ff,
        .width = pad_to_lanes(shape->n_embd),
        .parts = (head_dim + 3) / 4,
        .groups = (shape->n_head + KG_FAST_HEADS - 1) / KG_FAST_HEADS,
        .score_blocks = (shape->n_ctx + 3) / 4,
        .score_scale = 1.0f / kg_sqrtf((float)head_dim),
    };
    d.attention = d.parts * d.groups * KG_FAST_LANES;
    d.wpe = (size_t)d.n_vocab * d.width;
    d.lm_head = d.wpe + (size_t)d.n_ctx * d.width;
    d.layers = d.lm_head + (size_t)d.n_vocab * d.width;
    d.wo = (size_t)3 * d.attention * d.n_embd;
    d.fc1 = d.wo + (size_t)d.n_embd * d.attention;
    d.fc2 = d.fc1 + (size_t)d.n_ff * d.width;
    d.layer_size = d.fc2 + (size_t)d.n_ff * d.width;
    d.n_floats = d.layers + d.n_layer * d.layer_size;
    return d;
}

static float *take_matrix(struct kg_arena *arena, uint64_t rows, uint64_t columns)
{
    return kg_arena_array(arena, kg_arena_times(rows, columns), sizeof(float));
}

static uint32_t *take_fast_numbers(struct kg_arena *arena, uint64_t n)
{
    return kg_arena_array(arena, n, sizeof(uint32_t));
}

static void carve_rows(struct kg_fast_rows *rows, uint64_t n, uint64_t stride, struct kg_arena *arena)
{
    rows->token = take_fast_numbers(arena, n);
    rows->pos = take_fast_numbers(arena, n);
    rows->path = kg_arena_array(arena, n, sizeof *rows->path);
    rows->paths = take_fast_numbers(arena, n);
    rows->child = take_fast_numbers(arena, n);
    rows->sibling = take_fast_numbers(arena, n);
    rows->weight = take_matrix(arena, stride, 1);
    rows->target_row = take_fast_numbers(arena, n);
    rows->target = take_fast_numbers(arena, n);
    rows->target_weight = take_matrix(arena, n, 1);
}

static void carve_fast_layer(struct kg_fast_layer *layer, const struct kg_fast_dims *d, uint64_t stride,
                             struct kg_arena *arena)
{
    layer->normed1 = take_matrix(arena, stride, d->n_embd);
    layer->scale1 = take_matrix(arena, stride, 1);
    layer->qkv = take_matrix(arena, stride, (uint64_t)3 * d->attention);
    layer->scores = take_matrix(arena, stride, (uint64_t)d->groups * d->score_blocks * KG_FAST_LANES);
    layer->attended = take_matrix(arena, stride, d->attention);
    layer->normed2 = take_matrix(arena, stride, d->n_embd);
    layer->scale2 = take_matrix(arena, stride, 1);
    layer->hidden = take_matrix(arena, stride, d->n_ff);
}

/* `rows`: the most a chunk can have. */
static void carve_chunk(struct kg_fast_chunk *c, const struct kg_fast_dims *d, uint64_t rows, bool has_gradients,
                        struct kg_arena *arena)
{
    uint64_t stride = (rows + KG_FAST_LANES - 1) / KG_FAST_LANES * KG_FAST_LANES + KG_FAST_LANES;
    carve_rows(&c->rows, rows, stride, arena);
    c->layers = kg_arena_array(arena, d->n_layer, sizeof *c->layers);
    for (uint32_t i = 0; i < d->n_layer && arena->used != SIZE_MAX; i++) {
        struct kg_fast_layer counted;
        carve_fast_layer(arena->counts ? &counted : &c->layers[i], d, stride, arena);
    }
    c->embedded = take_matrix(arena, stride, d->n_embd);
    c->embedded_scale = take_matrix(arena, stride, 1);
    c->x = take_matrix(arena, stride, d->n_embd);
    c->x_next = take_matrix(arena, stride, d->n_embd);
    c->logits = take_matrix(arena, stride, d->n_vocab);
    c->log_sum = take_matrix(arena, stride, 1);
    c->d_x = take_matrix(arena, stride, d->n_embd);
    c->d_normed = take_matrix(arena, stride, d->n_embd);
    c->d_hidden = take_matrix(arena, stride, d->n_ff);
    c->qkv_columns = take_matrix(arena, stride, (uint64_t)3 * d->attention);
    c->d_qkv = take_matrix(arena, stride, (uint64_t)3 * d->attention);
    c->d_attended = take_matrix(arena, stride, d->attention);
    c->d_scores = take_matrix(arena, (uint64_t)d->score_blocks * KG_FAST_LANES, 1);
    c->rows_embd = take_matrix(arena, stride, d->width);
    c->gradients = has_gradients ? take_matrix(arena, d->n_floats, 1) : NULL;
}

void kg_fast_carve_parts(struct kg_fast *trainer, struct kg_arena *arena)
{
    const struct kg_fast_settings *s = &trainer->settings;
    uint64_t documents = (s->batch + trainer->n_chunks - 1) / trainer->n_chunks;
    trainer->order = take_fast_numbers(arena, trainer->corpus->n_documents);
    trainer->batch = take_fast_numbers(arena, s->batch);
    trainer->weights = take_matrix(arena, trainer->dims.n_floats, 1);
    trainer->mean = take_matrix(arena, trainer->dims.n_floats, 1);
    trainer->square = take_matrix(arena, trainer->dims.n_floats, 1);
    trainer->chunks = kg_arena_array(arena, trainer->n_memories, sizeof *trainer->chunks);
    for (uint32_t i = 0; i < trainer->n_memories && arena->used != SIZE_MAX; i++) {
        struct kg_fast_chunk counted;
        carve_chunk(arena->counts ? &counted : &trainer->chunks[i], &trainer->dims, documents * s->shape.n_ctx,
                    i < trainer->n_chunks, arena);
    }
}

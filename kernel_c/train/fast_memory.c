/* How large everything of a training is, and where it lies. */
#include "fast.h"
#include "kgpt/math.h"

static uint32_t padded(uint32_t n)
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
        .width = padded(shape->n_embd),
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

/* Hands out memory, or only counts it where there is no arena. */
struct carver {
    struct kg_arena *arena;
    uint64_t bytes; /* UINT64_MAX: too many, or the arena is too small */
};

static void *take(struct carver *carver, uint64_t n, uint64_t m, uint64_t size)
{
    uint64_t bytes;
    if (__builtin_mul_overflow(n, m, &bytes) || __builtin_mul_overflow(bytes, size, &bytes) ||
        kg_arena_cost(bytes) == SIZE_MAX ||
        __builtin_add_overflow(carver->bytes, (uint64_t)kg_arena_cost(bytes), &carver->bytes)) {
        carver->bytes = UINT64_MAX;
        return NULL;
    }
    void *piece = carver->arena ? kg_arena_take(carver->arena, bytes) : NULL;
    if (carver->arena && !piece) {
        carver->bytes = UINT64_MAX;
    }
    return piece;
}

static float *take_floats(struct carver *carver, uint64_t n, uint64_t m)
{
    return take(carver, n, m, sizeof(float));
}

static uint32_t *take_numbers(struct carver *carver, uint64_t n, uint64_t m)
{
    return take(carver, n, m, sizeof(uint32_t));
}

static void carve_rows(struct carver *carver, struct kg_fast_rows *rows, uint64_t n, uint64_t stride)
{
    rows->token = take_numbers(carver, n, 1);
    rows->pos = take_numbers(carver, n, 1);
    rows->path = take(carver, n, 1, sizeof *rows->path);
    rows->paths = take_numbers(carver, n, 1);
    rows->child = take_numbers(carver, n, 1);
    rows->sibling = take_numbers(carver, n, 1);
    rows->weight = take_floats(carver, stride, 1);
    rows->target_row = take_numbers(carver, n, 1);
    rows->target = take_numbers(carver, n, 1);
    rows->target_weight = take_floats(carver, n, 1);
}

static void carve_layer(struct carver *carver, struct kg_fast_layer *layer, const struct kg_fast_dims *d,
                        uint64_t stride)
{
    layer->normed1 = take_floats(carver, stride, d->n_embd);
    layer->scale1 = take_floats(carver, stride, 1);
    layer->qkv = take_floats(carver, stride, (uint64_t)3 * d->attention);
    layer->scores = take_floats(carver, stride, (uint64_t)d->groups * d->score_blocks * KG_FAST_LANES);
    layer->attended = take_floats(carver, stride, d->attention);
    layer->normed2 = take_floats(carver, stride, d->n_embd);
    layer->scale2 = take_floats(carver, stride, 1);
    layer->hidden = take_floats(carver, stride, d->n_ff);
}

/* `rows`: the most a chunk can have. */
static void carve_chunk(struct carver *carver, struct kg_fast_chunk *c, const struct kg_fast_dims *d, uint64_t rows,
                        bool has_gradients)
{
    struct kg_fast_layer counted;
    uint64_t stride = (rows + KG_FAST_LANES - 1) / KG_FAST_LANES * KG_FAST_LANES + KG_FAST_LANES;
    carve_rows(carver, &c->rows, rows, stride);
    c->layers = take(carver, d->n_layer, 1, sizeof *c->layers);
    for (uint32_t i = 0; i < d->n_layer && carver->bytes != UINT64_MAX; i++) {
        carve_layer(carver, carver->arena ? &c->layers[i] : &counted, d, stride);
    }
    c->embedded = take_floats(carver, stride, d->n_embd);
    c->embedded_scale = take_floats(carver, stride, 1);
    c->x = take_floats(carver, stride, d->n_embd);
    c->x_next = take_floats(carver, stride, d->n_embd);
    c->logits = take_floats(carver, stride, d->n_vocab);
    c->log_sum = take_floats(carver, stride, 1);
    c->d_x = take_floats(carver, stride, d->n_embd);
    c->d_normed = take_floats(carver, stride, d->n_embd);
    c->d_hidden = take_floats(carver, stride, d->n_ff);
    c->qkv_columns = take_floats(carver, stride, (uint64_t)3 * d->attention);
    c->d_qkv = take_floats(carver, stride, (uint64_t)3 * d->attention);
    c->d_attended = take_floats(carver, stride, d->attention);
    c->d_scores = take_floats(carver, (uint64_t)d->score_blocks * KG_FAST_LANES, 1);
    c->rows_embd = take_floats(carver, stride, d->width);
    c->gradients = has_gradients ? take_floats(carver, d->n_floats, 1) : NULL;
}

/* Bytes that the parts of `trainer` take, UINT64_MAX if that fails; it needs settings, dims, corpus, n_chunks
 * and n_memories. */
uint64_t kg_fast_carve(struct kg_fast *trainer, struct kg_arena *arena)
{
    struct carver carver = {.arena = arena};
    struct kg_fast_chunk counted;
    const struct kg_fast_settings *s = &trainer->settings;
    uint64_t documents = (s->batch + trainer->n_chunks - 1) / trainer->n_chunks;
    trainer->order = take_numbers(&carver, trainer->corpus->n_documents, 1);
    trainer->batch = take_numbers(&carver, s->batch, 1);
    trainer->weights = take_floats(&carver, trainer->dims.n_floats, 1);
    trainer->mean = take_floats(&carver, trainer->dims.n_floats, 1);
    trainer->square = take_floats(&carver, trainer->dims.n_floats, 1);
    trainer->chunks = take(&carver, trainer->n_memories, 1, sizeof *trainer->chunks);
    for (uint32_t i = 0; i < trainer->n_memories && carver.bytes != UINT64_MAX; i++) {
        carve_chunk(&carver, arena ? &trainer->chunks[i] : &counted, &trainer->dims, documents * s->shape.n_ctx,
                    i < trainer->n_chunks);
    }
    return carver.bytes;
}

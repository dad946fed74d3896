/* Which tensors a model has, and where they lie. */
#include "dense.h"
#include "kgpt/math.h"

static size_t align_to_lanes(size_t n)
{
    return (n + KG_DENSE_LANES - 1) / KG_DENSE_LANES * KG_DENSE_LANES;
}

/* An odd number of cache lines, with room for the last whole vector. */
static uint32_t stride_of_rows(uint32_t n)
{
    uint32_t lines = (n + KG_DENSE_LANES - 1) / KG_DENSE_LANES;
    return (lines | 1) * KG_DENSE_LANES;
}

static size_t size_of_panels(uint32_t depth, uint32_t columns)
{
    return (size_t)((columns + KG_DENSE_PANEL - 1) / KG_DENSE_PANEL) * KG_DENSE_PANEL * depth;
}

/* Where the next tensor goes, and the next packed form. */
struct places {
    size_t at, packed;
};

static size_t place_vector(struct places *places, bool there, uint32_t n)
{
    size_t at = places->at;
    places->at += there ? align_to_lanes(n) : 0;
    return at;
}

static struct kg_dense_matrix place_matrix(struct places *places, uint32_t rows, uint32_t columns)
{
    struct kg_dense_matrix matrix = {.at = places->at, .rows = rows, .columns = columns, .forward = places->packed};
    places->at += align_to_lanes((size_t)rows * columns);
    matrix.backward = matrix.forward + size_of_panels(columns, rows);
    places->packed = matrix.backward + size_of_panels(rows, columns);
    return matrix;
}

static void place_layer(struct kg_dense_dims *d, struct places *places)
{
    const uint32_t n = d->shape.n_embd;
    struct places before = *places;
    d->attn_norm = place_vector(places, d->gain, n);
    d->attn_norm_bias = place_vector(places, d->bias, n);
    d->qkv = place_matrix(places, d->n_qkv, n);
    d->qkv_bias = place_vector(places, d->bias, d->n_qkv);
    d->o = place_matrix(places, n, n);
    d->o_bias = place_vector(places, d->bias, n);
    d->ffn_norm = place_vector(places, d->gain, n);
    d->ffn_norm_bias = place_vector(places, d->bias, n);
    d->up = place_matrix(places, d->n_up, n);
    d->up_bias = place_vector(places, d->bias, d->n_up);
    d->down = place_matrix(places, n, d->n_ff);
    d->down_bias = place_vector(places, d->bias, n);
    d->layer_size = places->at - before.at;
    d->layer_packed = places->packed - before.packed;
    places->at = before.at + d->shape.n_layer * d->layer_size;
    places->packed = before.packed + d->shape.n_layer * d->layer_packed;
}

static void place_tensors(struct kg_dense_dims *d)
{
    const struct kg_dense_shape *s = &d->shape;
    struct places places = {0};
    d->embedding = place_matrix(&places, s->n_vocab, s->n_embd);
    if (!s->tied) {
        places.packed = 0; /* it is only looked up */
    }
    d->position_embd = places.at;
    places.at += d->positions ? align_to_lanes((size_t)s->n_ctx * s->n_embd) : 0;
    place_layer(d, &places);
    d->output_norm = place_vector(&places, d->gain, s->n_embd);
    d->output_norm_bias = place_vector(&places, d->bias, s->n_embd);
    d->output = s->tied ? d->embedding : place_matrix(&places, s->n_vocab, s->n_embd);
    d->n_floats = places.at;
    d->n_packed = places.packed;
}

struct kg_dense_dims kg_dense_dims_of(const struct kg_dense_shape *shape)
{
    const uint32_t n = shape->n_embd;
    bool llama = shape->kind == KG_DENSE_LLAMA, micro = shape->kind == KG_DENSE_MICROGPT;
    struct kg_dense_dims d = {
        .shape = *shape,
        .head_dim = n / shape->n_head,
        .n_ff = llama ? (8 * n / 3 + 31) / 32 * 32 : 4 * n,
        .n_qkv = 3 * n,
        .bias = shape->kind == KG_DENSE_NANOGPT && shape->bias,
        .gain = !micro,
        .positions = !llama,
        .rope = llama,
        .centred = shape->kind == KG_DENSE_NANOGPT,
        .embedding_norm = micro,
        .score_scale = 1.0f / kg_sqrtf((float)(n / shape->n_head)),
        .s_embd = stride_of_rows(n),
        .s_qkv = stride_of_rows(3 * n),
        .s_vocab = stride_of_rows(shape->n_vocab),
        .s_ctx = stride_of_rows(shape->n_ctx),
    };
    d.shape.bias = d.bias;
    d.shape.tied = shape->tied && !micro;
    d.n_up = llama ? 2 * d.n_ff : d.n_ff;
    d.s_up = stride_of_rows(d.n_up);
    d.s_ff = stride_of_rows(d.n_ff);
    place_tensors(&d);
    return d;
}

/* Streams of the first weights, in the order of _DRAWN in kgpt_build/reference/draws.py. */
enum {
    KG_DRAWN_TOKENS,
    KG_DRAWN_POSITIONS,
    KG_DRAWN_OUTPUT,
    KG_DRAWN_QKV,
    KG_DRAWN_Q, /* then k and v */
    KG_DRAWN_O = KG_DRAWN_Q + 3,
    KG_DRAWN_GATE,
    KG_DRAWN_UP,
    KG_DRAWN_DOWN,
};

static struct kg_dense_tensor drawn_matrix(const struct kg_dense_matrix *matrix, uint32_t parts, uint32_t drawn)
{
    return (struct kg_dense_tensor){.at = matrix->at,
                                    .rows = matrix->rows,
                                    .columns = matrix->columns,
                                    .parts = parts,
                                    .drawn = drawn,
                                    .is_matrix = true};
}

static struct kg_dense_tensor plain_vector(size_t at, bool there, uint32_t n, bool is_gain)
{
    return (struct kg_dense_tensor){.at = at, .rows = there, .columns = n, .parts = 1, .is_gain = is_gain};
}

static struct kg_dense_tensor residual_matrix(const struct kg_dense_matrix *matrix, uint32_t drawn)
{
    struct kg_dense_tensor tensor = drawn_matrix(matrix, 1, drawn);
    tensor.is_residual = true;
    return tensor;
}

static struct kg_dense_tensor tensor_of_layer(const struct kg_dense_dims *d, uint32_t i)
{
    const uint32_t n = d->shape.n_embd;
    bool fused = d->shape.kind == KG_DENSE_NANOGPT, gated = d->n_up != d->n_ff;
    switch (i) {
    case 0: return plain_vector(d->attn_norm, d->gain, n, true);
    case 1: return plain_vector(d->attn_norm_bias, d->bias, n, false);
    case 2: return drawn_matrix(&d->qkv, fused ? 1 : 3, fused ? KG_DRAWN_QKV : KG_DRAWN_Q);
    case 3: return plain_vector(d->qkv_bias, d->bias, d->n_qkv, false);
    case 4: return residual_matrix(&d->o, KG_DRAWN_O);
    case 5: return plain_vector(d->o_bias, d->bias, n, false);
    case 6: return plain_vector(d->ffn_norm, d->gain, n, true);
    case 7: return plain_vector(d->ffn_norm_bias, d->bias, n, false);
    case 8: return drawn_matrix(&d->up, gated ? 2 : 1, gated ? KG_DRAWN_GATE : KG_DRAWN_UP);
    case 9: return plain_vector(d->up_bias, d->bias, d->n_up, false);
    case 10: return residual_matrix(&d->down, KG_DRAWN_DOWN);
    default: return plain_vector(d->down_bias, d->bias, n, false);
    }
}

static struct kg_dense_tensor tensor_outside(const struct kg_dense_dims *d, uint32_t i)
{
    const struct kg_dense_matrix positions = {
        .at = d->position_embd, .rows = d->positions ? d->shape.n_ctx : 0, .columns = d->shape.n_embd};
    struct kg_dense_matrix output = d->output;
    output.rows = d->shape.tied ? 0 : output.rows;
    switch (i) {
    case 0: return drawn_matrix(&d->embedding, 1, KG_DRAWN_TOKENS);
    case 1: return drawn_matrix(&positions, 1, KG_DRAWN_POSITIONS);
    case 2: return plain_vector(d->output_norm, d->gain, d->shape.n_embd, true);
    case 3: return plain_vector(d->output_norm_bias, d->bias, d->shape.n_embd, false);
    default: return drawn_matrix(&output, 1, KG_DRAWN_OUTPUT);
    }
}

uint32_t kg_dense_n_tensors(const struct kg_dense_dims *dims)
{
    return KG_DENSE_TENSORS_BEFORE + KG_DENSE_TENSORS_A_LAYER * dims->shape.n_layer + KG_DENSE_TENSORS_BEHIND;
}

struct kg_dense_tensor kg_dense_tensor_of(const struct kg_dense_dims *dims, uint32_t i)
{
    const uint32_t in_layers = KG_DENSE_TENSORS_A_LAYER * dims->shape.n_layer;
    if (i < KG_DENSE_TENSORS_BEFORE) {
        return tensor_outside(dims, i);
    }
    i -= KG_DENSE_TENSORS_BEFORE;
    if (i >= in_layers) {
        return tensor_outside(dims, KG_DENSE_TENSORS_BEFORE + i - in_layers);
    }
    uint32_t layer = i / KG_DENSE_TENSORS_A_LAYER;
    struct kg_dense_tensor tensor = tensor_of_layer(dims, i % KG_DENSE_TENSORS_A_LAYER);
    tensor.at += layer * dims->layer_size;
    tensor.layer = layer + 1;
    return tensor;
}

uint64_t kg_dense_parameters(const struct kg_dense_shape *shape)
{
    struct kg_dense_dims dims = kg_dense_dims_of(shape);
    uint64_t n = 0;
    for (uint32_t i = 0; i < kg_dense_n_tensors(&dims); i++) {
        struct kg_dense_tensor tensor = kg_dense_tensor_of(&dims, i);
        n += (uint64_t)tensor.rows * tensor.columns;
    }
    return n;
}

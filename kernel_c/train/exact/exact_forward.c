/* The forward pass of exact training, from tokens to logits and loss: see train/exact/exact.h. */
#include "exact.h"

#include "kgpt/dmath.h"

#define KG_NORM_EPS 1e-5

/* y[p] = W x[p] for the positions, W (rows, columns) given transposed. */
static void multiply_matrix(const struct kg_exact *trainer, const double *transposed, uint64_t rows, uint64_t columns,
                            const double *x, double *y, uint32_t positions)
{
    trainer->functions->multiply(&(struct kg_exact_product){
        .rows = positions,
        .columns = rows,
        .depth = columns,
        .a = x,
        .a_row = (ptrdiff_t)columns,
        .a_step = 1,
        .b = transposed,
        .b_row = (ptrdiff_t)rows,
        .c = y,
        .c_row = (ptrdiff_t)rows,
    });
}

static void normalize_position(const double *x, uint32_t d, double *y, double *base, double *scale)
{
    double sum = 0;
    for (uint32_t i = 0; i < d; i++) {
        sum += x[i] * x[i];
    }
    *base = sum * (1.0 / d) + KG_NORM_EPS;
    *scale = kg_pow(*base, -0.5);
    for (uint32_t i = 0; i < d; i++) {
        y[i] = x[i] * *scale;
    }
}

static void normalize_positions(const struct kg_exact *trainer, const double *x, double *y, struct kg_exact_norm norm,
                                uint32_t first, uint32_t end)
{
    uint64_t d = trainer->shape.n_embd;
    for (uint32_t p = first; p < end; p++) {
        normalize_position(x + p * d, (uint32_t)d, y + p * d, norm.base + p, norm.scale + p);
    }
}

static void embed_positions(struct kg_exact *trainer, uint32_t first, uint32_t end)
{
    uint64_t d = trainer->shape.n_embd;
    for (uint32_t p = first; p < end; p++) {
        const double *token = trainer->parameters + trainer->layout.wte + trainer->tokens[p] * d;
        const double *position = trainer->parameters + trainer->layout.wpe + p * d;
        for (uint64_t i = 0; i < d; i++) {
            trainer->embedded[p * d + i] = token[i] + position[i];
        }
    }
}

static void add_vectors(double *x, const double *y, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        x[i] += y[i];
    }
}

static void forward_layer(struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t first, uint32_t end)
{
    const uint64_t d = trainer->shape.n_embd, n_ff = trainer->shape.n_ff, at = first * d;
    const double *w = trainer->transposed + layer->matrices;
    const struct kg_layout *layout = &trainer->layout;
    uint32_t n = end - first;
    normalize_positions(trainer, layer->x, layer->normed1, layer->norm1, first, end);
    multiply_matrix(trainer, w + layout->wq, d, d, layer->normed1 + at, layer->q + at, n);
    multiply_matrix(trainer, w + layout->wk, d, d, layer->normed1 + at, layer->k + at, n);
    multiply_matrix(trainer, w + layout->wv, d, d, layer->normed1 + at, layer->v + at, n);
    kg_exact_attend(trainer, layer, first, end);
    multiply_matrix(trainer, w + layout->wo, d, d, layer->heads + at, layer->middle + at, n);
    add_vectors(layer->middle + at, layer->x + at, n * d);
    normalize_positions(trainer, layer->middle, layer->normed2, layer->norm2, first, end);
    double *hidden = layer->hidden + first * n_ff;
    multiply_matrix(trainer, w + layout->fc1, n_ff, d, layer->normed2 + at, hidden, n);
    for (uint64_t i = 0; i < n * n_ff; i++) {
        hidden[i] = hidden[i] > 0 ? hidden[i] : 0;
    }
    multiply_matrix(trainer, w + layout->fc2, d, n_ff, hidden, layer->out + at, n);
    add_vectors(layer->out + at, layer->middle + at, n * d);
}

void kg_exact_forward(struct kg_exact *trainer, uint32_t first, uint32_t end)
{
    const struct kg_shape *shape = &trainer->shape;
    embed_positions(trainer, first, end);
    normalize_positions(trainer, trainer->embedded, trainer->stream, trainer->norm0, first, end);
    for (uint32_t i = 0; i < shape->n_layer; i++) {
        struct kg_exact_layer layer = kg_exact_layer_of(trainer, i);
        forward_layer(trainer, &layer, first, end);
    }
    const double *last = trainer->stream + (uint64_t)shape->n_layer * shape->n_ctx * shape->n_embd;
    multiply_matrix(trainer, trainer->transposed + trainer->layout.lm_head, shape->n_vocab, shape->n_embd,
                    last + (uint64_t)first * shape->n_embd, trainer->logits + (uint64_t)first * shape->n_vocab,
                    end - first);
}

double kg_exact_forward_loss(struct kg_exact *trainer, uint32_t n)
{
    double loss = 0;
    kg_exact_forward(trainer, 0, n);
    for (uint32_t p = 0; p < n; p++) {
        double *powers = trainer->logits + (uint64_t)p * trainer->shape.n_vocab;
        double total = kg_exact_softmax(powers, trainer->shape.n_vocab);
        trainer->totals[p] = total;
        loss += kg_log(powers[trainer->tokens[p + 1]] * (1.0 / total)) * -1.0;
    }
    return loss * (1.0 / n);
}

/* The backward pass of exact training, from the loss to every gradient: see train/exact/exact.h. */
#include "exact.h"

#include "kgpt/dmath.h"
#include "kgpt/mem.h"

/* dW[i][j] = sum over positions, last first, of dy[p][i] * x[p][j]. */
static void weight_gradient(const struct kg_exact *trainer, double *d_weights, uint64_t rows, uint64_t columns,
                            const double *d_y, const double *x, uint32_t positions)
{
    const uint64_t last = positions - 1;
    trainer->functions->multiply(&(struct kg_exact_product){
        .rows = rows,
        .columns = columns,
        .depth = positions,
        .a = d_y + last * rows,
        .a_row = 1,
        .a_step = -(ptrdiff_t)rows,
        .b = x + last * columns,
        .b_row = -(ptrdiff_t)columns,
        .c = d_weights,
        .c_row = (ptrdiff_t)columns,
    });
}

/* Rows from .. from + count - 1 of W (…, columns), last first: dx[p][j] (+)= sum of W[i][j] * dy[p][i]. */
struct input_gradient {
    const double *weights, *d_y;
    uint64_t columns, d_y_row;
    uint64_t from, count;
    double *d_x;
    bool add;
};

static void input_gradient(const struct kg_exact *trainer, const struct input_gradient *g, uint32_t positions)
{
    const uint64_t last = g->from + g->count - 1;
    trainer->functions->multiply(&(struct kg_exact_product){
        .rows = positions,
        .columns = g->columns,
        .depth = g->count,
        .a = g->d_y + last,
        .a_row = (ptrdiff_t)g->d_y_row,
        .a_step = -1,
        .b = g->weights + last * g->columns,
        .b_row = -(ptrdiff_t)g->columns,
        .c = g->d_x,
        .c_row = (ptrdiff_t)g->columns,
        .add = g->add,
    });
}

/* dx of a whole matrix (rows, columns), from zero. */
static void multiply_matrix_backward(const struct kg_exact *trainer, const double *weights, uint64_t rows,
                                     uint64_t columns, const double *d_y, double *d_x, uint32_t positions)
{
    input_gradient(trainer,
                   &(struct input_gradient){
                       .weights = weights, .d_y = d_y, .columns = columns, .d_y_row = rows, .count = rows, .d_x = d_x},
                   positions);
}

/* d_x (+)= the derivative by x of one normalization, d_y that by its result. */
static void normalize_position_backward(const double *x, uint32_t d, double base, double scale, const double *d_y,
                                        double *d_x)
{
    double d_scale = 0;
    for (uint32_t i = d; i-- > 0;) {
        d_x[i] += scale * d_y[i];
        d_scale += x[i] * d_y[i];
    }
    double d_square = (1.0 / d) * ((-0.5 * kg_pow(base, -1.5)) * d_scale);
    for (uint32_t i = 0; i < d; i++) { /* added twice: x occurs twice in x * x */
        double slope = x[i] * d_square;
        d_x[i] = (d_x[i] + slope) + slope;
    }
}

static void normalize_positions_backward(const struct kg_exact *trainer, const double *x, struct kg_exact_norm norm,
                                         const double *d_y, double *d_x, uint32_t n)
{
    const uint32_t d = trainer->shape.n_embd;
    for (uint32_t p = 0; p < n; p++) {
        normalize_position_backward(x + (uint64_t)p * d, d, norm.base[p], norm.scale[p], d_y + (uint64_t)p * d,
                                    d_x + (uint64_t)p * d);
    }
}

/* By the logits, given e^(logit - highest) and their total. Only the target's probability is in the loss. */
static void loss_backward(const struct kg_exact *trainer, uint32_t p, uint32_t n)
{
    const uint32_t n_vocab = trainer->shape.n_vocab, target = trainer->tokens[p + 1];
    const double *powers = trainer->logits + (uint64_t)p * n_vocab;
    double *d_logits = trainer->d_logits + (uint64_t)p * n_vocab;
    const double total = trainer->totals[p], inverse = 1.0 / total;
    double d_probability = (1.0 / (powers[target] * inverse)) * (-1.0 * (1.0 / n));
    double d_total = (-1.0 * kg_pow(total, -2.0)) * (powers[target] * d_probability);
    for (uint32_t i = 0; i < n_vocab; i++) {
        d_logits[i] = powers[i] * d_total;
    }
    d_logits[target] = powers[target] * (inverse * d_probability + d_total);
}

/* The target's row comes last, because microgpt walks its graph from the target's logit on. */
static void head_backward(struct kg_exact *trainer, uint32_t n)
{
    const uint64_t d = trainer->shape.n_embd, n_vocab = trainer->shape.n_vocab;
    const double *weights = trainer->parameters + trainer->layout.lm_head;
    const double *x = trainer->stream + (uint64_t)trainer->shape.n_layer * trainer->shape.n_ctx * d;
    for (uint32_t p = 0; p < n; p++) {
        loss_backward(trainer, p, n);
    }
    weight_gradient(trainer, trainer->gradients + trainer->layout.lm_head, n_vocab, d, trainer->d_logits, x, n);
    for (uint32_t p = 0; p < n; p++) {
        double *d_target = trainer->d_logits + p * n_vocab + trainer->tokens[p + 1];
        trainer->scores[p] = *d_target;
        *d_target = 0;
    }
    multiply_matrix_backward(trainer, weights, n_vocab, d, trainer->d_logits, trainer->d_x, n);
    for (uint32_t p = 0; p < n; p++) {
        const double *row = weights + trainer->tokens[p + 1] * d;
        for (uint64_t j = 0; j < d; j++) {
            trainer->d_x[p * d + j] += row[j] * trainer->scores[p];
        }
    }
}

/* trainer->d_x holds the derivative by the layer's output; it becomes the derivative by `middle`. */
static void feed_forward_backward(struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t n)
{
    const uint64_t d = trainer->shape.n_embd, n_ff = trainer->shape.n_ff;
    const struct kg_layout *layout = &trainer->layout;
    const double *weights = trainer->parameters + layer->matrices;
    double *gradients = trainer->gradients + layer->matrices;
    weight_gradient(trainer, gradients + layout->fc2, d, n_ff, trainer->d_x, layer->hidden, n);
    multiply_matrix_backward(trainer, weights + layout->fc2, d, n_ff, trainer->d_x, trainer->d_hidden, n);
    for (uint64_t i = 0; i < n * n_ff; i++) {
        trainer->d_hidden[i] = layer->hidden[i] > 0 ? trainer->d_hidden[i] : 0;
    }
    weight_gradient(trainer, gradients + layout->fc1, n_ff, d, trainer->d_hidden, layer->normed2, n);
    multiply_matrix_backward(trainer, weights + layout->fc1, n_ff, d, trainer->d_hidden, trainer->d_normed, n);
    normalize_positions_backward(trainer, layer->middle, layer->norm2, trainer->d_normed, trainer->d_x, n);
}

/* Head by head from the last: the rows of v, of k, of q, as the graph reaches them. */
static void qkv_input_gradient(const struct kg_exact *trainer, const double *weights, uint32_t n)
{
    const uint64_t d = trainer->shape.n_embd, size = d / trainer->shape.n_head;
    const uint64_t matrices[] = {trainer->layout.wv, trainer->layout.wk, trainer->layout.wq};
    const double *const d_y[] = {trainer->d_v, trainer->d_k, trainer->d_q};
    for (uint32_t head = trainer->shape.n_head; head-- > 0;) {
        for (int i = 0; i < 3; i++) {
            input_gradient(trainer,
                           &(struct input_gradient){.weights = weights + matrices[i],
                                                    .d_y = d_y[i],
                                                    .columns = d,
                                                    .d_y_row = d,
                                                    .from = head * size,
                                                    .count = size,
                                                    .d_x = trainer->d_normed,
                                                    .add = i > 0 || head + 1 < trainer->shape.n_head},
                           n);
        }
    }
}

/* trainer->d_x holds the derivative by `middle`; it becomes the derivative by the layer's input. */
static void attention_backward(struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t n)
{
    const uint64_t d = trainer->shape.n_embd;
    const struct kg_layout *layout = &trainer->layout;
    const double *weights = trainer->parameters + layer->matrices;
    double *gradients = trainer->gradients + layer->matrices;
    weight_gradient(trainer, gradients + layout->wo, d, d, trainer->d_x, layer->heads, n);
    multiply_matrix_backward(trainer, weights + layout->wo, d, d, trainer->d_x, trainer->d_heads, n);
    kg_exact_attend_backward(trainer, layer, n);
    weight_gradient(trainer, gradients + layout->wq, d, d, trainer->d_q, layer->normed1, n);
    weight_gradient(trainer, gradients + layout->wk, d, d, trainer->d_k, layer->normed1, n);
    weight_gradient(trainer, gradients + layout->wv, d, d, trainer->d_v, layer->normed1, n);
    qkv_input_gradient(trainer, weights, n);
    normalize_positions_backward(trainer, layer->x, layer->norm1, trainer->d_normed, trainer->d_x, n);
}

static void embed_positions_backward(struct kg_exact *trainer, uint32_t n)
{
    const uint64_t d = trainer->shape.n_embd;
    double *d_embedded = trainer->d_normed;
    memset(trainer->gradients, 0, trainer->layout.lm_head * sizeof(double)); /* wte and wpe */
    memset(d_embedded, 0, n * d * sizeof(double));
    normalize_positions_backward(trainer, trainer->embedded, trainer->norm0, trainer->d_x, d_embedded, n);
    for (uint32_t p = n; p-- > 0;) {
        double *token = trainer->gradients + trainer->layout.wte + trainer->tokens[p] * d;
        double *position = trainer->gradients + trainer->layout.wpe + p * d;
        for (uint64_t i = 0; i < d; i++) {
            token[i] += d_embedded[p * d + i];
            position[i] += d_embedded[p * d + i];
        }
    }
}

void kg_exact_backward(struct kg_exact *trainer, uint32_t n)
{
    head_backward(trainer, n);
    for (uint32_t i = trainer->shape.n_layer; i-- > 0;) {
        struct kg_exact_layer layer = kg_exact_layer_of(trainer, i);
        feed_forward_backward(trainer, &layer, n);
        attention_backward(trainer, &layer, n);
    }
    embed_positions_backward(trainer, n);
}

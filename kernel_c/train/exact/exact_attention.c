/* Attention of exact training, forward and backward: see train/exact/exact.h. */
#include "exact.h"

#include "kgpt/dmath.h"
#include "kgpt/mem.h"

/* The offsets of one head. */
struct place {
    uint64_t at;      /* of position 0's columns of this head, in (T, d) */
    uint64_t d, size; /* from one position to the next; columns */
    double *powers, *weights, *total;
    double divisor; /* scores are multiplied by it */
};

static struct place head_place_of(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t head,
                                  uint32_t p)
{
    const uint64_t d = trainer->shape.n_embd, size = d / trainer->shape.n_head, n_ctx = trainer->shape.n_ctx;
    const uint64_t row = head * n_ctx + p;
    return (struct place){
        .at = head * size,
        .d = d,
        .size = size,
        .powers = layer->powers + row * n_ctx,
        .weights = layer->weights + row * n_ctx,
        .total = layer->totals + row,
        .divisor = 1.0 / kg_sqrt((double)size),
    };
}

static void attend_exact_head(const struct kg_exact_layer *layer, const struct place *place, uint32_t p)
{
    const uint64_t d = place->d, size = place->size;
    const double *q = layer->q + place->at + p * d;
    double *out = layer->heads + place->at + p * d;
    for (uint32_t t = 0; t <= p; t++) {
        const double *k = layer->k + place->at + t * d;
        double sum = 0;
        for (uint64_t j = 0; j < size; j++) {
            sum += q[j] * k[j];
        }
        place->powers[t] = sum * place->divisor;
    }
    *place->total = kg_exact_softmax(place->powers, p + 1);
    double inverse = 1.0 / *place->total;
    memset(out, 0, size * sizeof *out);
    for (uint32_t t = 0; t <= p; t++) {
        const double *v = layer->v + place->at + t * d;
        double weight = place->weights[t] = place->powers[t] * inverse;
        for (uint64_t j = 0; j < size; j++) {
            out[j] += weight * v[j];
        }
    }
}

void kg_exact_attend(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t first, uint32_t end)
{
    for (uint32_t p = first; p < end; p++) {
        for (uint32_t head = 0; head < trainer->shape.n_head; head++) {
            struct place place = head_place_of(trainer, layer, head, p);
            attend_exact_head(layer, &place, p);
        }
    }
}

/* By the weights, into d_scores; adds to d_v. */
static void values_backward(const struct kg_exact *trainer, const struct kg_exact_layer *layer,
                            const struct place *place, uint32_t p)
{
    const double *d_out = trainer->d_heads + place->at + p * place->d;
    for (uint32_t t = 0; t <= p; t++) {
        const double *v = layer->v + place->at + t * place->d;
        double *d_v = trainer->d_v + place->at + t * place->d, sum = 0;
        for (uint64_t j = place->size; j-- > 0;) {
            sum += v[j] * d_out[j];
            d_v[j] += place->weights[t] * d_out[j];
        }
        trainer->scores[t] = sum;
    }
}

/* By the weights -> by the products of q and k, in place. */
static void softmax_backward(const struct place *place, double *d, uint32_t p)
{
    const double inverse = 1.0 / *place->total, slope = -1.0 * kg_pow(*place->total, -2.0);
    double d_total = 0;
    for (uint32_t t = p + 1; t-- > 0;) {
        d_total += slope * (place->powers[t] * d[t]);
    }
    for (uint32_t t = 0; t <= p; t++) {
        d[t] = place->divisor * (place->powers[t] * (inverse * d[t] + d_total));
    }
}

/* Adds to d_k; d_q starts from zero. */
static void scores_backward(const struct kg_exact *trainer, const struct kg_exact_layer *layer,
                            const struct place *place, uint32_t p)
{
    const double *q = layer->q + place->at + p * place->d;
    double *d_q = trainer->d_q + place->at + p * place->d;
    memset(d_q, 0, place->size * sizeof *d_q);
    for (uint32_t t = p + 1; t-- > 0;) {
        const double *k = layer->k + place->at + t * place->d, d_score = trainer->scores[t];
        double *d_k = trainer->d_k + place->at + t * place->d;
        for (uint64_t j = 0; j < place->size; j++) {
            d_q[j] += k[j] * d_score;
            d_k[j] += q[j] * d_score;
        }
    }
}

void kg_exact_attend_backward(const struct kg_exact *trainer, const struct kg_exact_layer *layer, uint32_t n)
{
    const uint64_t size = (uint64_t)n * trainer->shape.n_embd * sizeof(double);
    memset(trainer->d_k, 0, size);
    memset(trainer->d_v, 0, size);
    for (uint32_t p = n; p-- > 0;) {
        for (uint32_t head = 0; head < trainer->shape.n_head; head++) {
            struct place place = head_place_of(trainer, layer, head, p);
            values_backward(trainer, layer, &place, p);
            softmax_backward(&place, trainer->scores, p);
            scores_backward(trainer, layer, &place, p);
        }
    }
}

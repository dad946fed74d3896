/* Shared by the forward and backward passes of exact training: the arrays of a layer, and the softmax. See exact.h. */
#include "exact.h"

#include "kgpt/dmath.h"

struct kg_exact_layer kg_exact_layer_of(const struct kg_exact *trainer, uint32_t layer)
{
    const struct kg_shape *shape = &trainer->shape;
    const struct kg_exact_layer *first = &trainer->layers;
    const uint64_t positions = (uint64_t)layer * shape->n_ctx, wide = positions * shape->n_embd;
    const uint64_t rows = positions * shape->n_head;
    return (struct kg_exact_layer){
        .x = trainer->stream + wide,
        .middle = first->middle + wide,
        .out = trainer->stream + wide + (uint64_t)shape->n_ctx * shape->n_embd,
        .normed1 = first->normed1 + wide,
        .normed2 = first->normed2 + wide,
        .norm1 = {first->norm1.base + positions, first->norm1.scale + positions},
        .norm2 = {first->norm2.base + positions, first->norm2.scale + positions},
        .q = first->q + wide,
        .k = first->k + wide,
        .v = first->v + wide,
        .powers = first->powers + rows * shape->n_ctx,
        .weights = first->weights + rows * shape->n_ctx,
        .totals = first->totals + rows,
        .heads = first->heads + wide,
        .hidden = first->hidden + positions * shape->n_ff,
        .matrices = trainer->layout.layers + layer * trainer->layout.layer_size,
    };
}

double kg_exact_softmax(double *logits, uint32_t n)
{
    double highest = logits[0], total = 0;
    for (uint32_t i = 1; i < n; i++) {
        highest = logits[i] > highest ? logits[i] : highest;
    }
    for (uint32_t i = 0; i < n; i++) {
        logits[i] = kg_exp(logits[i] - highest);
        total += logits[i];
    }
    return total;
}

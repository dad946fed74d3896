/* From the gradients of the chunks to the next weights. */
#include "dense.h"
#include "kgpt/dmath.h"

#define KG_LEAST_SHARE 0.1 /* of the learning rate at the end of the cosine */

void kg_dense_sum(struct kg_dense *trainer, uint32_t part, uint32_t parts)
{
    uint32_t to = (uint32_t)((uint64_t)trainer->n_blocks * (part + 1) / parts);
    for (uint32_t block = (uint32_t)((uint64_t)trainer->n_blocks * part / parts); block < to; block++) {
        size_t from = (size_t)block * KG_DENSE_BLOCK, end = from + KG_DENSE_BLOCK;
        end = end < trainer->dims.n_floats ? end : trainer->dims.n_floats;
        trainer->squares[block] = trainer->functions->sum(trainer->gradients, trainer->n_chunks, from, end);
    }
}

/* As torch.nn.utils.clip_grad_norm_. */
static double clip_of(const struct kg_dense *trainer)
{
    double sum = 0, most = trainer->settings.grad_clip;
    if (most <= 0) {
        return 1;
    }
    for (uint32_t i = 0; i < trainer->n_blocks; i++) {
        sum += trainer->squares[i];
    }
    double share = most / (kg_sqrt(sum) + 1e-6);
    return share < 1 ? share : 1;
}

/* Exponentiation by squaring: the bits depend on x and n alone, so a resumed training computes the same rates. */
static double power_of_steps(double x, uint64_t n)
{
    double result = 1;
    for (; n > 0; n /= 2, x *= x) {
        result *= n % 2 ? x : 1;
    }
    return result;
}

double kg_dense_learning_rate(const struct kg_dense_settings *s, uint64_t step)
{
    if (step < s->warmup) {
        return s->lr * (double)(step + 1) / (double)(s->warmup + 1);
    }
    if (s->constant) {
        return s->lr;
    }
    if (step >= s->steps) {
        return s->lr * KG_LEAST_SHARE;
    }
    double share = (double)(step - s->warmup) / (double)(s->steps - s->warmup);
    return s->lr * (KG_LEAST_SHARE + (1 - KG_LEAST_SHARE) * 0.5 * (1 + kg_cos(3.141592653589793 * share)));
}

static struct kg_dense_rates dense_rates_of(const struct kg_dense *trainer)
{
    const struct kg_dense_settings *s = &trainer->settings;
    uint64_t step = trainer->steps_done;
    return (struct kg_dense_rates){
        .beta1 = (float)s->beta1,
        .keep1 = (float)(1 - s->beta1),
        .beta2 = (float)s->beta2,
        .keep2 = (float)(1 - s->beta2),
        .rate = (float)(kg_dense_learning_rate(s, step) / (1 - power_of_steps(s->beta1, step + 1))),
        .root2 = (float)(1 / kg_sqrt(1 - power_of_steps(s->beta2, step + 1))),
        .eps = (float)s->eps,
        .clip = (float)clip_of(trainer),
    };
}

void kg_dense_update(struct kg_dense *trainer, uint32_t part, uint32_t parts)
{
    const size_t vectors = trainer->dims.n_floats / KG_DENSE_LANES;
    const size_t from = vectors * part / parts * KG_DENSE_LANES, to = vectors * (part + 1) / parts * KG_DENSE_LANES;
    const double shrinking = kg_dense_learning_rate(&trainer->settings, trainer->steps_done);
    struct kg_dense_rates rates = dense_rates_of(trainer);
    struct kg_dense_slice slice = {
        .weights = trainer->weights,
        .mean = trainer->mean,
        .square = trainer->square,
        .gradients = trainer->gradients[0],
    };
    for (uint32_t i = 0; i < kg_dense_n_tensors(&trainer->dims); i++) {
        struct kg_dense_tensor tensor = kg_dense_tensor_of(&trainer->dims, i);
        size_t n = (size_t)tensor.rows * tensor.columns;
        size_t end = tensor.at + (n + KG_DENSE_LANES - 1) / KG_DENSE_LANES * KG_DENSE_LANES;
        slice.from = tensor.at > from ? tensor.at : from;
        slice.to = end < to ? end : to;
        rates.decay = tensor.is_matrix ? (float)(1 - shrinking * trainer->settings.weight_decay) : 1.0f;
        if (n > 0 && slice.from < slice.to) {
            trainer->functions->update(&slice, &rates);
        }
    }
}

/* Matrix i of those that products need: four of each layer, then the output. */
static void pack_one(struct kg_dense *trainer, uint32_t i)
{
    const struct kg_dense_dims *d = &trainer->dims;
    const struct kg_dense_matrix *matrices[] = {&d->qkv, &d->o, &d->up, &d->down};
    uint32_t layer = i / 4;
    if (layer == d->shape.n_layer) {
        trainer->functions->pack(&d->output, trainer->weights + d->output.at, trainer->packed);
        return;
    }
    const struct kg_dense_matrix *matrix = matrices[i % 4];
    trainer->functions->pack(matrix, trainer->weights + matrix->at + layer * d->layer_size,
                             trainer->packed + layer * d->layer_packed);
}

void kg_dense_pack(struct kg_dense *trainer, uint32_t part, uint32_t parts)
{
    for (uint32_t i = part; i < 4 * trainer->dims.shape.n_layer + 1; i += parts) {
        pack_one(trainer, i);
    }
}

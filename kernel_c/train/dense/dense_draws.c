/* What a training draws, to the bit of kgpt_build/reference/draws.py, which explains it. */
#include "dense.h"
#include "kgpt/dmath.h"
#include "kgpt/random.h"

#define STREAM_WEIGHTS ((uint64_t)1 << 32)
#define STREAM_WINDOWS ((uint64_t)2 << 32)
#define STREAM_DROPOUT ((uint64_t)3 << 32)
#define STREAMS_A_LAYER 64u
#define SITES_A_STEP 65536u
#define INIT_STD 0.02
#define ROPE_BASE 10000.0
#define GOLDEN 0x9E3779B97F4A7C15u /* what kg_splitmix64 adds to its state */

/* The state of splitmix64 whose next word is word `first` of a stream. */
static uint64_t state_before_word(uint64_t seed, uint64_t stream, uint64_t first)
{
    struct kg_random random;
    kg_random_seed(&random, seed, stream);
    return random.s[0] + first * GOLDEN;
}

/* ln x for 0 < x < 1 */
static double series_of_logarithm(double x)
{
    union {
        double value;
        uint64_t bits;
    } m = {x};
    int64_t e = (int64_t)(m.bits >> 52) - 1022;
    m.bits = (m.bits & 0x000FFFFFFFFFFFFFu) | (uint64_t)1022 << 52; /* from 1/2 to 1 */
    if (m.value < 0.7071067811865476) {
        m.value *= 2.0;
        e--;
    }
    double s = (m.value - 1.0) / (m.value + 1.0), s2 = s * s, series = 1.0 / 15.0;
    for (double n = 13.0; n >= 3.0; n -= 2.0) {
        series = series * s2 + 1.0 / n;
    }
    return (double)e * 0.6931471805599453 + (2.0 * s + 2.0 * s * s2 * series);
}

/* cos(2 pi turn) for 0 <= turn < 1 */
static double cosine_of_turn(double turn)
{
    uint32_t quarter = (uint32_t)(turn * 4.0 + 0.5);
    double x = (turn - (double)quarter * 0.25) * 6.283185307179586, x2 = x * x, cosine = 1.0, sine = 1.0;
    for (double n = 14.0; n >= 2.0; n -= 2.0) {
        cosine = 1.0 - cosine * x2 / (n * (n - 1.0));
        sine = 1.0 - sine * x2 / (n * (n + 1.0));
    }
    sine *= x;
    return quarter == 1 ? -sine : quarter == 2 ? -cosine : quarter == 3 ? sine : cosine;
}

static double normal_of_word(uint64_t word)
{
    double radius = kg_sqrt(-2.0 * series_of_logarithm(((double)(word >> 32) + 0.5) * 0x1p-32));
    return radius * cosine_of_turn((double)(word & UINT32_MAX) * 0x1p-32);
}

static void draw_tensor(struct kg_dense *trainer, const struct kg_dense_tensor *tensor)
{
    float *out = trainer->weights + tensor->at;
    size_t n = (size_t)tensor->rows / tensor->parts * tensor->columns;
    double std = tensor->is_residual ? INIT_STD / kg_sqrt(2.0 * trainer->dims.shape.n_layer) : INIT_STD;
    for (uint32_t part = 0; part < tensor->parts; part++) {
        uint64_t stream = STREAM_WEIGHTS + (uint64_t)tensor->layer * STREAMS_A_LAYER + tensor->drawn + part;
        uint64_t state = state_before_word(trainer->settings.seed, stream, 0);
        for (size_t i = 0; i < n; i++) {
            *out++ = (float)(normal_of_word(kg_splitmix64(&state)) * std);
        }
    }
}

static void fill_vector(struct kg_dense *trainer, const struct kg_dense_tensor *tensor)
{
    for (size_t i = 0; i < (size_t)tensor->rows * tensor->columns; i++) {
        trainer->weights[tensor->at + i] = tensor->is_gain ? 1.0f : 0.0f;
    }
}

/* Position times base^(-2 i / head_dim) for pair i. */
static void fill_turns(struct kg_dense *trainer)
{
    const struct kg_dense_dims *d = &trainer->dims;
    for (uint32_t pos = 0; d->rope && pos < d->shape.n_ctx; pos++) {
        float *turn = trainer->turns + (size_t)pos * d->head_dim;
        for (uint32_t i = 0; i + 1 < d->head_dim; i += 2) {
            double angle = pos * kg_pow(ROPE_BASE, -(double)i / d->head_dim);
            turn[i] = (float)kg_cos(angle);
            turn[i + 1] = (float)kg_sin(angle);
        }
    }
}

void kg_dense_draw(struct kg_dense *trainer)
{
    for (uint32_t i = 0; i < kg_dense_n_tensors(&trainer->dims); i++) {
        struct kg_dense_tensor tensor = kg_dense_tensor_of(&trainer->dims, i);
        if (tensor.is_matrix) {
            draw_tensor(trainer, &tensor);
        } else {
            fill_vector(trainer, &tensor);
        }
    }
    fill_turns(trainer);
    for (uint32_t i = 0; i < trainer->n_eval; i++) {
        trainer->eval_begins[i] = kg_dense_eval_start(&trainer->text, trainer->dims.shape.n_ctx, i);
    }
    kg_dense_pack(trainer, 0, 1);
}

static void choose_sites(struct kg_dense *trainer)
{
    uint64_t first = trainer->steps_done * SITES_A_STEP;
    uint64_t state = state_before_word(trainer->settings.seed, STREAM_DROPOUT, first);
    for (uint32_t site = 0; site < 3 * trainer->dims.shape.n_layer + 1; site++) {
        uint64_t key = kg_splitmix64(&state);
        trainer->sites[site] = (struct kg_dense_dropout){
            .low = (uint32_t)key,
            .high = (uint32_t)(key >> 32),
            .least = (int32_t)(trainer->settings.dropout * 0x1p31),
            .scale = trainer->settings.dropout > 0 ? 1.0f / (1.0f - (float)trainer->settings.dropout) : 0,
        };
    }
}

void kg_dense_choose(struct kg_dense *trainer)
{
    const uint32_t batch = trainer->settings.batch;
    uint64_t choices = trainer->text.n_train - trainer->dims.shape.n_ctx, first = trainer->steps_done * batch;
    uint64_t state = state_before_word(trainer->settings.seed, STREAM_WINDOWS, first);
    for (uint32_t i = 0; i < batch; i++) {
        trainer->begins[i] = (uint32_t)((kg_splitmix64(&state) >> 32) * choices >> 32);
    }
    choose_sites(trainer);
}

static uint32_t count_eval_windows(const struct kg_dense_text *text, uint32_t n_ctx)
{
    uint32_t n = text->n - text->n_train;
    return n ? (n - 1) / n_ctx : 0;
}

uint32_t kg_dense_eval_count(const struct kg_dense_text *text, uint32_t n_ctx)
{
    uint32_t n = count_eval_windows(text, n_ctx);
    return n < text->eval_windows ? n : text->eval_windows;
}

uint32_t kg_dense_eval_start(const struct kg_dense_text *text, uint32_t n_ctx, uint32_t i)
{
    uint64_t n = count_eval_windows(text, n_ctx);
    return text->n_train + (uint32_t)(i * n / kg_dense_eval_count(text, n_ctx)) * n_ctx;
}

/* The parameters as the rest of the world sees them, drawn, and kept between two runs. */
#include "fast.h"
#include "kgpt/dmath.h"
#include "kgpt/mem.h"
#include "kgpt/random.h"

#define KG_DRAW_STREAM 1 /* of the seed */

#define KG_STATE_VERSION 1u

/* One matrix as struct kg_model_data has it, (rows, columns), and where its elements are here. */
struct matrix {
    uint32_t rows, columns;
    size_t at, row_step, column_step;
    bool rows_of_heads, columns_of_heads; /* rows or columns are elements of heads, and lie as fast.h says */
};

#define KG_MATRICES_BEFORE 3
#define KG_MATRICES_A_LAYER 6

static struct matrix matrix_of_layer(const struct kg_fast_dims *d, uint32_t i, size_t at)
{
    const uint32_t n = d->n_embd;
    if (i < 3) { /* wq, wk, wv */
        return (struct matrix){n, n, at + d->wqkv + i * d->attention, 1, (size_t)3 * d->attention, true, false};
    }
    if (i == 3) {
        return (struct matrix){n, n, at + d->wo, d->attention, 1, false, true};
    }
    if (i == 4) {
        return (struct matrix){d->n_ff, n, at + d->fc1, d->width, 1, false, false};
    }
    return (struct matrix){n, d->n_ff, at + d->fc2, 1, d->width, false, false};
}

static struct matrix matrix_of(const struct kg_fast_dims *d, uint32_t i)
{
    switch (i) {
    case 0: return (struct matrix){d->n_vocab, d->n_embd, d->wte, d->width, 1, false, false};
    case 1: return (struct matrix){d->n_ctx, d->n_embd, d->wpe, d->width, 1, false, false};
    case 2: return (struct matrix){d->n_vocab, d->n_embd, d->lm_head, d->width, 1, false, false};
    default: break;
    }
    uint32_t layer = (i - KG_MATRICES_BEFORE) / KG_MATRICES_A_LAYER;
    return matrix_of_layer(d, (i - KG_MATRICES_BEFORE) % KG_MATRICES_A_LAYER, d->layers + layer * d->layer_size);
}

static uint32_t count_matrices(const struct kg_fast_dims *d)
{
    return KG_MATRICES_BEFORE + KG_MATRICES_A_LAYER * d->n_layer;
}

/* Where element i of n_embd is among vectors of heads: see fast.h. */
static size_t place_in_heads(const struct kg_fast_dims *d, uint32_t i)
{
    uint32_t head_dim = d->n_embd / d->n_head, head = i / head_dim, element = i % head_dim;
    size_t vector = (size_t)(head / KG_FAST_HEADS) * d->parts + element / 4;
    return vector * KG_FAST_LANES + head % KG_FAST_HEADS * 4 + element % 4;
}

static size_t place_of_element(const struct kg_fast_dims *d, const struct matrix *m, uint32_t row, uint32_t column)
{
    size_t r = m->rows_of_heads ? place_in_heads(d, row) : row,
           c = m->columns_of_heads ? place_in_heads(d, column) : column;
    return m->at + r * m->row_step + c * m->column_step;
}

static float *export_parameters(const struct kg_fast_dims *d, float *out, const float *parameters)
{
    for (uint32_t i = 0; i < count_matrices(d); i++) {
        struct matrix m = matrix_of(d, i);
        for (uint32_t row = 0; row < m.rows; row++) {
            for (uint32_t column = 0; column < m.columns; column++) {
                *out++ = parameters[place_of_element(d, &m, row, column)];
            }
        }
    }
    return out;
}

static const float *import_parameters(const struct kg_fast_dims *d, float *parameters, const float *in)
{
    for (uint32_t i = 0; i < count_matrices(d); i++) {
        struct matrix m = matrix_of(d, i);
        for (uint32_t row = 0; row < m.rows; row++) {
            for (uint32_t column = 0; column < m.columns; column++) {
                parameters[place_of_element(d, &m, row, column)] = *in++;
            }
        }
    }
    return in;
}

void kg_fast_export(const struct kg_fast *trainer, float *weights)
{
    export_parameters(&trainer->dims, weights, trainer->weights);
}

void kg_fast_import(struct kg_fast *trainer, const float *weights)
{
    import_parameters(&trainer->dims, trainer->weights, weights);
}

void kg_fast_export_gradients(const struct kg_fast *trainer, float *gradients)
{
    for (uint32_t i = 0; i < count_matrices(&trainer->dims); i++) {
        struct matrix m = matrix_of(&trainer->dims, i);
        for (uint64_t at = 0; at < (uint64_t)m.rows * m.columns; at++) {
            size_t from = place_of_element(&trainer->dims, &m, (uint32_t)(at / m.columns), (uint32_t)(at % m.columns));
            float sum = trainer->chunks[0].gradients[from];
            for (uint32_t c = 1; c < trainer->n_chunks; c++) {
                sum += trainer->chunks[c].gradients[from];
            }
            *gradients++ = sum;
        }
    }
}

/* Box and Muller, 1958. */
static float random_normal(struct kg_random *random)
{
    const double turn = 6.283185307179586;
    double radius = kg_sqrt(-2.0 * kg_log(1.0 - (double)kg_random_uniform(random)));
    return (float)(radius * kg_cos(turn * (double)kg_random_uniform(random)));
}

void kg_fast_draw(struct kg_fast *trainer)
{
    struct kg_random random;
    const struct kg_fast_dims *d = &trainer->dims;
    kg_random_seed(&random, trainer->settings.seed, KG_DRAW_STREAM);
    for (uint32_t i = 0; i < count_matrices(d); i++) {
        struct matrix m = matrix_of(d, i);
        for (uint32_t row = 0; row < m.rows; row++) {
            for (uint32_t column = 0; column < m.columns; column++) {
                trainer->weights[place_of_element(d, &m, row, column)] = 0.08f * random_normal(&random);
            }
        }
    }
}

/* What a state begins with. The numbers of Adam are not among it: a training may go on with others. */
struct state_header {
    uint32_t magic, version;
    uint32_t fused; /* which arithmetic */
    uint32_t batch, chunks;
    struct kg_shape shape;
    uint32_t n_documents, n_tokens;
    uint64_t seed;
    uint64_t steps_done; /* the last one, after all that has to agree */
};

static struct state_header state_header_of(const struct kg_fast *trainer)
{
    struct state_header header;
    memset(&header, 0, sizeof header); /* padding too: it is compared */
    header.magic = KG_FAST_STATE_MAGIC;
    header.version = KG_STATE_VERSION;
    header.fused = trainer->functions->isa != KG_ISA_C;
    header.batch = trainer->settings.batch;
    header.chunks = trainer->n_chunks;
    header.shape = trainer->settings.shape;
    header.n_documents = trainer->corpus->n_documents;
    header.n_tokens = trainer->corpus->n_tokens;
    header.seed = trainer->settings.seed;
    header.steps_done = trainer->steps_done;
    return header;
}

uint64_t kg_fast_state_size(const struct kg_fast *trainer)
{
    return sizeof(struct state_header) + 3 * sizeof(float) * kg_layout_of(&trainer->settings.shape).n_parameters;
}

void kg_fast_save(const struct kg_fast *trainer, void *state)
{
    struct state_header header = state_header_of(trainer);
    memcpy(state, &header, sizeof header);
    float *out = (float *)(void *)((uint8_t *)state + sizeof header);
    out = export_parameters(&trainer->dims, out, trainer->weights);
    out = export_parameters(&trainer->dims, out, trainer->mean);
    export_parameters(&trainer->dims, out, trainer->square);
}

/* What of the state is not of this training; NULL if all is. */
static const char *name_difference(const struct state_header *state, const struct state_header *ours)
{
    if (state->magic != ours->magic || state->version != ours->version) {
        return "format";
    }
    if (memcmp(&state->shape, &ours->shape, sizeof ours->shape) != 0) {
        return "shape";
    }
    if (state->n_documents != ours->n_documents || state->n_tokens != ours->n_tokens) {
        return "corpus";
    }
    if (state->batch != ours->batch || state->chunks != ours->chunks) {
        return "batch";
    }
    if (state->seed != ours->seed) {
        return "seed";
    }
    return state->fused != ours->fused ? "arithmetic (with or without FMA)" : NULL;
}

enum kg_status kg_fast_load(struct kg_fast *trainer, const void *state, uint64_t size, struct kg_error *error)
{
    struct state_header header, ours = state_header_of(trainer);
    if (size != kg_fast_state_size(trainer)) {
        kg_error_set(error, KG_E_INPUT, "the saved training has %lu bytes, not %lu", (unsigned long)size,
                     (unsigned long)kg_fast_state_size(trainer));
        kg_error_hint(error, "it was cut short, or is of another shape");
        return KG_E_INPUT;
    }
    memcpy(&header, state, sizeof header);
    const char *other = name_difference(&header, &ours);
    if (other) {
        kg_error_set(error, KG_E_INPUT, "the saved training is of another %s", other);
        kg_error_hint(error, "go on with the settings, the corpus and the kind of CPU that it was begun with");
        return KG_E_INPUT;
    }
    const float *in = (const float *)(const void *)((const uint8_t *)state + sizeof header);
    in = import_parameters(&trainer->dims, trainer->weights, in);
    in = import_parameters(&trainer->dims, trainer->mean, in);
    import_parameters(&trainer->dims, trainer->square, in);
    trainer->steps_done = header.steps_done;
    return KG_OK;
}

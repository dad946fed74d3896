/* The parameters as files have them, and a training between two runs. */
#include "dense.h"
#include "kgpt/mem.h"

#define KG_STATE_VERSION 1u

static float *export_tensors(const struct kg_dense_dims *d, float *out, const float *from)
{
    for (uint32_t i = 0; i < kg_dense_n_tensors(d); i++) {
        struct kg_dense_tensor tensor = kg_dense_tensor_of(d, i);
        size_t n = (size_t)tensor.rows * tensor.columns;
        memcpy(out, from + tensor.at, n * sizeof *out);
        out += n;
    }
    return out;
}

static const float *import_tensors(const struct kg_dense_dims *d, float *to, const float *in)
{
    for (uint32_t i = 0; i < kg_dense_n_tensors(d); i++) {
        struct kg_dense_tensor tensor = kg_dense_tensor_of(d, i);
        size_t n = (size_t)tensor.rows * tensor.columns;
        memcpy(to + tensor.at, in, n * sizeof *in);
        in += n;
    }
    return in;
}

void kg_dense_export(const struct kg_dense *trainer, float *weights)
{
    export_tensors(&trainer->dims, weights, trainer->weights);
}

void kg_dense_import(struct kg_dense *trainer, const float *weights)
{
    import_tensors(&trainer->dims, trainer->weights, weights);
    kg_dense_pack(trainer, 0, 1);
}

void kg_dense_export_gradients(const struct kg_dense *trainer, float *gradients)
{
    export_tensors(&trainer->dims, gradients, trainer->gradients[0]);
}

/* What a state begins with. Numbers of AdamW are not among it: a training may go on with others. */
struct dense_header {
    uint32_t magic, version;
    uint32_t fused; /* which arithmetic */
    uint32_t batch, chunks, n_tokens, n_train;
    struct kg_dense_shape shape;
    double dropout;
    uint64_t seed;
    uint64_t steps_done; /* the last one, after all that has to agree */
};

static struct dense_header dense_header_of(const struct kg_dense *trainer)
{
    struct dense_header header;
    memset(&header, 0, sizeof header); /* padding too: a state is the same bytes for the same training */
    header.magic = KG_DENSE_STATE_MAGIC;
    header.version = KG_STATE_VERSION;
    header.fused = trainer->functions->isa != KG_ISA_C;
    header.batch = trainer->settings.batch;
    header.chunks = trainer->n_chunks;
    header.n_tokens = trainer->text.n;
    header.n_train = trainer->text.n_train;
    header.shape = trainer->dims.shape;
    header.dropout = trainer->settings.dropout;
    header.seed = trainer->settings.seed;
    header.steps_done = trainer->steps_done;
    return header;
}

uint64_t kg_dense_state_size(const struct kg_dense_shape *shape)
{
    return sizeof(struct dense_header) + 3 * sizeof(float) * kg_dense_parameters(shape);
}

void kg_dense_save(const struct kg_dense *trainer, void *state)
{
    struct dense_header header = dense_header_of(trainer);
    memcpy(state, &header, sizeof header);
    float *out = (float *)(void *)((uint8_t *)state + sizeof header);
    out = export_tensors(&trainer->dims, out, trainer->weights);
    out = export_tensors(&trainer->dims, out, trainer->mean);
    export_tensors(&trainer->dims, out, trainer->square);
}

/* What of the state is not of this training; NULL if all is. */
static const char *name_other(const struct dense_header *state, const struct dense_header *ours)
{
    if (state->magic != ours->magic || state->version != ours->version) {
        return "format";
    }
    if (memcmp(&state->shape, &ours->shape, sizeof ours->shape) != 0) {
        return "shape";
    }
    if (state->n_tokens != ours->n_tokens || state->n_train != ours->n_train) {
        return "text";
    }
    if (state->batch != ours->batch || state->chunks != ours->chunks) {
        return "batch";
    }
    if (state->dropout != ours->dropout) {
        return "dropout";
    }
    if (state->seed != ours->seed) {
        return "seed";
    }
    return state->fused != ours->fused ? "arithmetic (with or without FMA)" : NULL;
}

enum kg_status kg_dense_load(struct kg_dense *trainer, const void *state, uint64_t size, struct kg_error *error)
{
    struct dense_header header, ours = dense_header_of(trainer);
    if (size != kg_dense_state_size(&trainer->dims.shape)) {
        kg_error_set(error, KG_E_INPUT, "the saved training has %lu bytes, not %lu", (unsigned long)size,
                     (unsigned long)kg_dense_state_size(&trainer->dims.shape));
        kg_error_hint(error, "it was cut short, or is of another shape");
        return KG_E_INPUT;
    }
    memcpy(&header, state, sizeof header);
    const char *other = name_other(&header, &ours);
    if (other) {
        kg_error_set(error, KG_E_INPUT, "the saved training is of another %s", other);
        kg_error_hint(error, "go on with the settings, the text and the kind of CPU that it was begun with");
        return KG_E_INPUT;
    }
    const float *in = (const float *)(const void *)((const uint8_t *)state + sizeof header);
    in = import_tensors(&trainer->dims, trainer->weights, in);
    in = import_tensors(&trainer->dims, trainer->mean, in);
    import_tensors(&trainer->dims, trainer->square, in);
    trainer->steps_done = header.steps_done;
    kg_dense_pack(trainer, 0, 1);
    return KG_OK;
}

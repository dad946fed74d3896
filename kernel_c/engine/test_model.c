/* A small model of any shape with random weights: see test_model.h. */
#include "test_model.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/random.h"

static uint64_t align_model_size(uint64_t n)
{
    return (n + KG_MODEL_ALIGN - 1) / KG_MODEL_ALIGN * KG_MODEL_ALIGN;
}

static uint64_t count_test_weights(const struct kg_test_shape *s)
{
    uint64_t kv_dim = s->n_embd / s->n_head * s->n_head_kv;
    uint64_t layer = 2 * s->n_embd * s->n_embd + 2 * s->n_embd * kv_dim + 2 * s->n_embd * s->n_ff;
    return (2 * s->n_vocab + s->n_ctx) * s->n_embd + s->n_layer * layer;
}

static void fill_header(struct kg_model_data *data, const struct kg_test_shape *s)
{
    *data = (struct kg_model_data){
        .magic = KG_MODEL_MAGIC,
        .version = KG_MODEL_VERSION,
        .arch = "microgpt",
        .name = "test",
        .n_vocab = s->n_vocab,
        .n_ctx = s->n_ctx,
        .n_embd = s->n_embd,
        .n_layer = s->n_layer,
        .n_head = s->n_head,
        .n_head_kv = s->n_head_kv,
        .n_ff = s->n_ff,
        .bos_id = s->n_vocab - 1,
        .norm_eps = 1e-5f,
        .weight_type = KG_MODEL_F32,
        .vocab_offset = sizeof *data,
        .vocab_size = 4 * (s->n_vocab + 1) + s->n_vocab - 1,
        .weights_size = 4 * count_test_weights(s),
    };
    data->weights_offset = align_model_size(data->vocab_offset + data->vocab_size);
    data->size = align_model_size(data->weights_offset + data->weights_size);
}

struct kg_model_data *kg_test_model(struct kg_arena *arena, const struct kg_test_shape *shape, uint64_t seed)
{
    struct kg_model_data header, *data;
    struct kg_random random;
    fill_header(&header, shape);
    data = kg_arena_take(arena, header.size);
    if (!data) {
        return NULL;
    }
    *data = header;
    uint8_t *bytes = (uint8_t *)data;
    uint32_t *offset = (uint32_t *)(void *)(bytes + header.vocab_offset);
    for (uint32_t i = 0; i < shape->n_vocab; i++) {
        offset[i] = i;
        bytes[header.vocab_offset + 4 * (shape->n_vocab + 1) + i] = i + 1 < shape->n_vocab ? (uint8_t)('a' + i) : 0;
    }
    offset[shape->n_vocab] = shape->n_vocab - 1;
    float *weights = (float *)(void *)(bytes + header.weights_offset);
    kg_random_seed(&random, seed, 0);
    for (uint64_t i = 0; i < count_test_weights(shape); i++) {
        weights[i] = kg_random_uniform(&random) - 0.5f;
    }
    kg_test_model_sign(data);
    return data;
}

void kg_test_model_sign(struct kg_model_data *data)
{
    data->crc32 = kg_crc32((uint8_t *)data + sizeof *data, data->size - sizeof *data);
}

/* See kgpt/train_blob.h; the layout is that of kgpt/model_data.h. */
#include "kgpt/train_blob.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define NORM_EPS 1e-5f

static uint64_t align_section(uint64_t size)
{
    return (size + KG_MODEL_ALIGN - 1) & ~(uint64_t)(KG_MODEL_ALIGN - 1);
}

static uint64_t size_of_chars(const struct kg_corpus *corpus)
{
    char bytes[4];
    uint64_t n = 0;
    for (uint32_t i = 0; i < corpus->n_chars; i++) {
        n += kg_utf8_encode(corpus->chars[i], bytes);
    }
    return n;
}

/* The table of n_vocab + 1 offsets, and the characters. */
static uint64_t size_of_vocab(const struct kg_corpus *corpus)
{
    return 4 * ((uint64_t)corpus->n_vocab + 1) + size_of_chars(corpus);
}

uint64_t kg_blob_size(const struct kg_shape *shape, const struct kg_corpus *corpus)
{
    uint64_t weights = kg_layout_of(shape).n_parameters * sizeof(float);
    return sizeof(struct kg_model_data) + align_section(size_of_vocab(corpus)) + align_section(weights);
}

float *kg_blob_weights(struct kg_model_data *blob)
{
    return (float *)(void *)((uint8_t *)blob + blob->weights_offset);
}

static void write_vocab(struct kg_model_data *blob, const struct kg_corpus *corpus)
{
    uint32_t *offsets = (uint32_t *)(void *)((uint8_t *)blob + blob->vocab_offset);
    char *text = (char *)(offsets + corpus->n_vocab + 1);
    uint32_t at = 0;
    for (uint32_t i = 0; i < corpus->n_chars; i++) {
        offsets[i] = at;
        at += (uint32_t)kg_utf8_encode(corpus->chars[i], text + at);
    }
    offsets[corpus->bos_id] = offsets[corpus->bos_id + 1] = at; /* BOS has no bytes */
}

void kg_blob_begin(struct kg_model_data *blob, const struct kg_shape *shape, const struct kg_corpus *corpus,
                   const char *name)
{
    uint64_t size = kg_blob_size(shape, corpus), vocab = size_of_vocab(corpus);
    memset(blob, 0, size);
    *blob = (struct kg_model_data){
        .magic = KG_MODEL_MAGIC,
        .version = KG_MODEL_VERSION,
        .size = size,
        .arch = "microgpt",
        .n_vocab = shape->n_vocab,
        .n_ctx = shape->n_ctx,
        .n_embd = shape->n_embd,
        .n_layer = shape->n_layer,
        .n_head = shape->n_head,
        .n_head_kv = shape->n_head,
        .n_ff = shape->n_ff,
        .bos_id = corpus->bos_id,
        .norm_eps = NORM_EPS,
        .vocab_offset = sizeof *blob,
        .vocab_size = vocab,
        .weights_offset = sizeof *blob + align_section(vocab),
        .weights_size = kg_layout_of(shape).n_parameters * sizeof(float),
    };
    memcpy(blob->name, name, kg_strlen(name) < sizeof blob->name ? kg_strlen(name) : sizeof blob->name - 1);
    write_vocab(blob, corpus);
}

void kg_blob_finish(struct kg_model_data *blob)
{
    blob->crc32 = kg_crc32((const uint8_t *)blob + sizeof *blob, blob->size - sizeof *blob);
}

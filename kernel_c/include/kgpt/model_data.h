/* The model as it lies in the image: a 256-byte header, the vocabulary, the weights, one after the other in the section
 * .kgpt.model. app/model_data.c makes it from the generated headers; `kgpt pack` replaces it; `kgpt inspect` reads it
 * (kgpt_build/headers/blob.py is the same layout in Python). All little endian. */
#ifndef KGPT_MODEL_DATA_H
#define KGPT_MODEL_DATA_H

#include <stdint.h>

#define KG_MODEL_MAGIC 0x5450474bu /* "KGPT" */
#define KG_MODEL_VERSION 1u
#define KG_MODEL_ALIGN 64u
#define KG_MODEL_F32 0u           /* weight_type of microgpt's */
#define KG_MODEL_GGUF 0xffffffffu /* weight_type of "gguf" and "none": the file says them */
#define KG_MODEL_INTERLEAVED 1u   /* in flags: the matrices of the GGUF lie as kgpt/quant.h wants them */
#define KG_MODEL_NO_TOKEN 0xffffffffu

struct kg_model_data {
    uint32_t magic;
    uint32_t version;
    uint64_t size;      /* of the whole: header, vocabulary, weights, with their padding to KG_MODEL_ALIGN */
    char arch[16];      /* "microgpt", "gguf", "none"; NUL-padded */
    char name[64];      /* UTF-8, NUL-terminated and padded */
    uint8_t sha256[32]; /* of the model (kgpt_build.models.Model.sha256); of a GGUF, of the file as it was */
    uint32_t n_vocab;   /* offset 128 */
    uint32_t n_ctx;     /* block_size */
    uint32_t n_embd;
    uint32_t n_layer;
    uint32_t n_head;
    uint32_t n_head_kv;
    uint32_t n_ff;
    uint32_t bos_id;
    float norm_eps;          /* offset 160 */
    uint32_t weight_type;    /* KG_MODEL_F32 or KG_MODEL_GGUF */
    uint32_t crc32;          /* CRC-32 (zlib's) of the bytes from 256 to size */
    uint32_t flags;          /* KG_MODEL_INTERLEAVED */
    uint64_t vocab_offset;   /* 176: from the start of the header; 256 */
    uint64_t vocab_size;     /* bytes used, without padding */
    uint64_t weights_offset; /* a multiple of KG_MODEL_ALIGN */
    uint64_t weights_size;   /* bytes used */
    uint8_t reserved[48];
};
_Static_assert(sizeof(struct kg_model_data) == 256, "the layout is shared with Python");

/* Vocabulary: uint32_t offset[n_vocab + 1], then the UTF-8 bytes; token i is bytes[offset[i] .. offset[i + 1]), offsets
 * counted from the end of the table. BOS has no bytes.
 * Weights (microgpt), each row-major (rows, columns), f32, without gaps:
 *   wte (n_vocab, n_embd), wpe (n_ctx, n_embd), lm_head (n_vocab, n_embd), then per layer
 *   wq (n_embd, n_embd), wk (n_embd / n_head * n_head_kv, n_embd), wv as wk, wo (n_embd, n_embd),
 *   fc1 (n_ff, n_embd), fc2 (n_embd, n_ff).
 *
 * "gguf": in the place of the vocabulary the chat blob of kgpt/chat.h, of vocab_size 0 where the model has no chat template; in that
 * of the weights the whole GGUF file, of which only the data of matrices has changed (KG_MODEL_INTERLEAVED). The sizes
 * above are copied from the file for those who look in from outside; the engine reads the file. bos_id may be KG_MODEL_NO_TOKEN.
 * "none": an engine for language models whose model comes with the loader. The header is all there is; its sizes are 0. */

extern const struct kg_model_data kgpt_model; /* the embedded model */
extern const char kgpt_build_cmdline[];       /* `kgpt build --cmdline`: read before the loader's command line */
extern const char kgpt_version[];             /* the package's version */

#endif

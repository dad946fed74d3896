/* The model inside a kernel, in the section .kgpt.model: a 256-byte header, the vocabulary, then the weights.
 * app/model_data.c emits it from the generated headers, `kgpt pack` replaces it, `kgpt inspect` reads it.
 * kgpt_build/headers/blob.py has the same layout in Python. Little endian. */
#ifndef KGPT_MODEL_DATA_H
#define KGPT_MODEL_DATA_H

#include <stdint.h>

#define KG_MODEL_MAGIC 0x5450474bu /* "KGPT" */
#define KG_MODEL_VERSION 1u
#define KG_MODEL_ALIGN 64u
#define KG_MODEL_F32 0u           /* weight_type of "microgpt" */
#define KG_MODEL_GGUF 0xffffffffu /* weight_type of "gguf" and "none": the GGUF file has types of its own */
#define KG_MODEL_INTERLEAVED 1u   /* bit of flags: the matrices of the GGUF file are interleaved (kgpt/quant.h) */
#define KG_MODEL_NO_TOKEN 0xffffffffu

struct kg_model_data {
    uint32_t magic;
    uint32_t version;
    uint64_t size;      /* bytes of header, vocabulary, weights and prefill, each padded to KG_MODEL_ALIGN */
    char arch[16];      /* "microgpt", "gguf", "none"; NUL-padded */
    char name[64];      /* UTF-8, NUL-terminated and padded */
    uint8_t sha256[32]; /* of the model (kgpt_build.models.Model.sha256); for a GGUF, of the original file */
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
    uint32_t crc32;          /* CRC-32 (as zlib's) of the bytes from 256 to size */
    uint32_t flags;          /* KG_MODEL_INTERLEAVED */
    uint64_t vocab_offset;   /* offset 176; from the start of the header: 256 */
    uint64_t vocab_size;     /* bytes without padding */
    uint64_t weights_offset; /* a multiple of KG_MODEL_ALIGN */
    uint64_t weights_size;   /* bytes without padding */
    uint64_t prefill_offset; /* a multiple of KG_MODEL_ALIGN */
    uint64_t prefill_size;   /* bytes without padding; 0: there is none */
    uint8_t reserved[32];
};
_Static_assert(sizeof(struct kg_model_data) == 256, "the layout is shared with Python");

/* "microgpt". Vocabulary: uint32_t offset[n_vocab + 1], then UTF-8 bytes. Token i is bytes[offset[i] .. offset[i +
 * 1]); offsets count from the end of the table. BOS has no bytes. Weights, row-major (rows, columns), f32, without
 * gaps:
 *   wte (n_vocab, n_embd), wpe (n_ctx, n_embd), lm_head (n_vocab, n_embd), then per layer
 *   wq (n_embd, n_embd), wk (n_embd / n_head * n_head_kv, n_embd), wv as wk, wo (n_embd, n_embd),
 *   fc1 (n_ff, n_embd), fc2 (n_embd, n_ff).
 *
 * "gguf". The vocabulary is the chat blob of kgpt/chat.h (vocab_size 0: the model has no chat template). The weights
 * are the whole GGUF file; only the data of its matrices differs (KG_MODEL_INTERLEAVED). The sizes in the header are
 * copies for tools; the engine reads the file. bos_id may be KG_MODEL_NO_TOKEN. The prefill is that of kgpt/prefill.h.
 *
 * "none". An engine for language models whose model comes as a boot module. Only the header exists; its sizes are 0. */

extern const struct kg_model_data kgpt_model; /* the embedded model */
extern const char kgpt_build_cmdline[];       /* `kgpt build --cmdline`: parsed before the loader's command line */
extern const char kgpt_version[];             /* the package's version */

#endif

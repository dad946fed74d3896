/* Checks of a model file for ctypes: those of kernel_c/app/lm.c in the same order, without computation. */
#include "kgpt/lm.h"
#include "kgpt/vocab.h"

/* Matrices are declared interleaved, so that the file is not modified. */
enum kg_status driver_verdict(const void *file, uint64_t size, void *memory, uint64_t bytes, struct kg_error *error)
{
    struct kg_arena arena;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_lm_model model;
    const struct kg_lm_arch *arch;
    kg_arena_init(&arena, memory, bytes);
    enum kg_status status = kg_gguf_open(&gguf, file, size, &arena, error);
    if (status == KG_OK) {
        status = kg_lm_identify(&gguf, &arch, error);
    }
    if (status == KG_OK) {
        status = kg_vocab_open(&vocab, &gguf, &arena, error);
    }
    return status == KG_OK ? kg_lm_open(&model, &gguf, true, &arena, error) : status;
}

/* A tiny language model for self-tests: a GGUF file made in memory. */
#ifndef KGPT_INFER_TEST_GGUF_H
#define KGPT_INFER_TEST_GGUF_H

#include "kgpt/arena.h"
#include "kgpt/gguf.h"

#define KG_TEST_VOCAB 24u
#define KG_TEST_CTX 32u

/* Two layers of `arch`, which is llama or gemma3, with Q8_0 matrices and grouped heads; random weights. False if the
 * arena is too small. */
bool kg_test_gguf(struct kg_arena *arena, const char *arch, struct kg_gguf *gguf);

#endif

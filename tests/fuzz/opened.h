/* Caches opened models for fuzzing: opening the same files again tells nothing new and takes most of the time.
 * infer/chat/loaded.c calls these functions in place of kgpt/gguf.h, kgpt/vocab.h and kgpt/lm.h. Each opens a file
 * once, and then returns the same tables at the same addresses, which must stay reserved. */
#ifndef KGPT_OPENED_H
#define KGPT_OPENED_H

#include "kgpt/gguf.h"
#include "kgpt/lm.h"
#include "kgpt/vocab.h"

enum kg_status opened_gguf(struct kg_gguf *gguf, const void *data, uint64_t size, struct kg_arena *arena,
                           struct kg_error *error);
enum kg_status opened_vocab(struct kg_vocab *vocab, const struct kg_gguf *gguf, struct kg_arena *arena,
                            struct kg_error *error);
enum kg_status opened_lm(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                         struct kg_arena *arena, struct kg_error *error);

#endif

/* Reads a GGUF file to its last byte, as a user of the reader may. */
#ifndef KGPT_GGUF_WALK_H
#define KGPT_GGUF_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/error.h"

/* Opens the file and accesses everything that the reader accepted: fields through all getters, strings of arrays,
 * both ends of tensors. Returns false if the file was refused; `error` then says why in one line, and what to do. A
 * broken promise of the reader ends the process. */
bool gguf_walk(const uint8_t *data, uint64_t size, struct kg_error *error);

#endif

/* A GGUF file read to its last byte, as everybody who trusts the reader may do. */
#ifndef KGPT_GGUF_WALK_H
#define KGPT_GGUF_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/error.h"

/* Opens the file, and touches everything that the reader has accepted: every field through every getter, every string of every
 * array, both ends of every tensor. False if it was refused: then `error` says why, in one line, and what to do. What the reader
 * promises and does not keep ends the process. */
bool gguf_walk(const uint8_t *data, uint64_t size, struct kg_error *error);

#endif

/* The model of a disk as it says it. */
#ifndef KGPT_DRIVERS_BLOCK_MODEL_NAME_H
#define KGPT_DRIVERS_BLOCK_MODEL_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Copies `n` bytes of ASCII and ends them: other bytes become '?', and spaces at the end are left out. `swapped`: each
 * pair of bytes is the wrong way round. `to` has n + 1 bytes; n is even. */
static inline void kg_model_name(char *to, const uint8_t *from, size_t n, bool swapped)
{
    size_t end = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t c = from[swapped ? i ^ 1 : i];
        to[i] = (char)(c >= ' ' && c < 0x7F ? c : c ? '?' : ' ');
        end = to[i] == ' ' ? end : i + 1;
    }
    to[end] = '\0';
}

#endif

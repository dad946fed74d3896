/* A medium that outlives the run, on which a store lies (kgpt/store.h). Offsets and sizes are multiples of 4,096. */
#ifndef KGPT_MEDIUM_H
#define KGPT_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_STORE_MAGIC "KGPTSTOR" /* the first 8 bytes of a store */

struct kg_store_medium {
    void *context;
    uint64_t size; /* bytes */
    bool (*read)(void *context, uint64_t offset, void *to, size_t n);
    bool (*write)(void *context, uint64_t offset, const void *from, size_t n); /* durable; NULL: read-only */
};

#endif

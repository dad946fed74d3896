/* The reader of GGUF files, on any bytes. */
#include <stddef.h>

#include "gguf_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_error error;
    gguf_walk(data, size, &error);
    return 0;
}

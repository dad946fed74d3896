/* The reader of GGUF files, on any bytes. */
#include <stddef.h>
#include <string.h>

#include "gguf_walk.h"
#include "kgpt/gguf.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_error error;
    char told[64];
    gguf_walk(data, size, &error);
    kg_gguf_peek(data, size, told, sizeof told);
    promise(strlen(told) < sizeof told);
    return 0;
}

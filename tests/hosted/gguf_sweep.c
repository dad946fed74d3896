/* gguf_sweep FILE HEADER_BYTES: truncates the file at every byte of its header, which must be refused, and changes
 * every byte of its header in several ways, which may be accepted. The page after the file is not readable. Prints
 * the numbers of refused and accepted files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "gguf_walk.h"
#include "promise.h"

/* Memory for a file, whose last byte is the last readable one. */
static uint8_t *guarded(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    uint8_t *start = mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    promise(start != MAP_FAILED && mprotect(start + whole, page, PROT_NONE) == 0);
    return start + whole - size;
}

static void cut(const uint8_t *file, size_t header)
{
    uint8_t *end = guarded(header) + header;
    struct kg_error error;
    for (size_t size = 0; size < header; size++) {
        memcpy(end - size, file, size);
        promise(!gguf_walk(end - size, size, &error));
    }
    printf("cut %zu\n", header);
}

static void damage(const uint8_t *file, size_t size, size_t header)
{
    uint8_t *data = guarded(size);
    struct kg_error error;
    unsigned refused = 0, accepted = 0;
    memcpy(data, file, size);
    for (size_t at = 0; at < header; at++) {
        const uint8_t was = file[at];
        const uint8_t bytes[] = {0, 1, 2, 0x7F, 0x80, 0xFF, was ^ 1, was ^ 0x20, was ^ 0x80, was + 1, was - 1};
        for (size_t i = 0; i < sizeof bytes; i++) {
            data[at] = bytes[i];
            bool good = gguf_walk(data, size, &error);
            promise(good || bytes[i] != was);
            refused += !good;
            accepted += good;
        }
        data[at] = was;
    }
    printf("refused %u\naccepted %u\n", refused, accepted);
}

int main(int argc, char **argv)
{
    promise(argc == 3);
    size_t header = strtoul(argv[2], NULL, 10);
    FILE *in = fopen(argv[1], "rb");
    promise(in && fseek(in, 0, SEEK_END) == 0);
    size_t size = (size_t)ftell(in);
    uint8_t *file = malloc(size);
    rewind(in);
    promise(file && header <= size && fread(file, 1, size, in) == size);
    fclose(in);
    struct kg_error error;
    promise(gguf_walk(file, size, &error));
    cut(file, header);
    damage(file, size, header);
    free(file);
    return 0;
}

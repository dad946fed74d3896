/* replay FILE…: runs a fuzz target on each file, in memory of exactly its size, so that sanitizers detect overflows. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *path)
{
    FILE *in = fopen(path, "rb");
    promise(in && fseek(in, 0, SEEK_END) == 0);
    size_t size = (size_t)ftell(in);
    uint8_t *data = malloc(size ? size : 1);
    rewind(in);
    promise(data && fread(data, 1, size, in) == size);
    fclose(in);
    printf("%s\n", path);
    fflush(stdout); /* the last name printed is the one that failed */
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    return 0;
}

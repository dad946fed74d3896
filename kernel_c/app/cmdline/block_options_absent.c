/* Linked in place of block_options.c into kernels without training. */
#include "keys.h"

const struct kg_key kg_block_keys[] = {{0}};

void kg_block_defaults(struct kg_config *config)
{
    (void)config;
}

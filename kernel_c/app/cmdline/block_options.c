/* The options that only kernels that train have, as keys of the command line: see kgpt/options.def. */
#include "keys.h"

#define KG_BLOCK_NAMES(names, ...) const char *const kg_##names##_names[] = {__VA_ARGS__, NULL};
#include "kgpt/options.def"

const struct kg_key kg_block_keys[] = {
#define KG_BLOCK(name, kind, values, where, otherwise, unit, help, words) \
    KG_OPTION(name, block.name, kind, values, where)
#include "kgpt/options.def"
    {0},
};

void kg_block_defaults(struct kg_config *config)
{
#define KG_BLOCK(name, kind, values, where, otherwise, unit, help, words) \
    KG_PRESUME_##kind(config->block.name, otherwise)
#include "kgpt/options.def"
}

/* The options that every kernel has, as keys of its command line: see kgpt/options.def. */
#include "keys.h"

#include "kgpt/mem.h"

#define KG_NAMES(names, ...) const char *const kg_##names##_names[] = {__VA_ARGS__, NULL};
#include "kgpt/options.def"

const struct kg_key kg_keys[] = {
#define KG_RUN(name, kind, values, where, otherwise, unit, help, words) KG_OPTION(name, name, kind, values, where)
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) \
    KG_OPTION(name, sampling.name, kind, values, where)
#define KG_ADAM(name, kind, values, where, otherwise, unit, help, words) \
    KG_OPTION(name, train.adam.name, kind, values, where)
#define KG_TRAIN(name, kind, values, where, otherwise, unit, help, words) \
    KG_OPTION(name, train.name, kind, values, where)
#include "kgpt/options.def"
    {0},
};

void kg_config_defaults(struct kg_config *config)
{
    memset(config, 0, sizeof *config);
#define KG_RUN(name, kind, values, where, otherwise, unit, help, words) KG_PRESUME_##kind(config->name, otherwise)
#define KG_SAMPLING(name, kind, values, where, otherwise, unit, help, words) \
    KG_PRESUME_##kind(config->sampling.name, otherwise)
#define KG_ADAM(name, kind, values, where, otherwise, unit, help, words) \
    KG_PRESUME_##kind(config->train.adam.name, otherwise)
#define KG_TRAIN(name, kind, values, where, otherwise, unit, help, words) \
    KG_PRESUME_##kind(config->train.name, otherwise)
#include "kgpt/options.def"
    kg_block_defaults(config);
}

const struct kg_key *kg_key_at(size_t i)
{
    const struct kg_key *const tables[] = {kg_keys, kg_engine_keys, kg_block_keys};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (const struct kg_key *key = tables[t]; key->name; key++, i--) {
            if (i == 0) {
                return key;
            }
        }
    }
    return NULL;
}

/* The command line for ctypes: kernels for language models have every row of options.def. */
#include "app/cmdline/keys.h"
#include "app/engine.h"
#include "kgpt/format.h"
#include "kgpt/str.h"

/* The names of ops/ops.c, without the code for all instruction sets. */
#define KG_ISA_NAMES(names, ...) const char *const kg_##names##_names[KG_N_ISA + 1] = {__VA_ARGS__, NULL};
#include "kgpt/options.def"

static struct kg_config config;

static void begin(bool lm)
{
    kg_config_defaults(&config);
    if (lm) {
        kg_engine_defaults(&config);
    }
}

/* True if the command line is accepted. Otherwise `hint` (at least sizeof error.hint) receives the hint. */
bool driver_takes(const char *text, char *hint)
{
    struct kg_error error = {{0}, {0}};
    begin(true);
    bool ok = kg_cmdline_parse(&config, text, &error) == KG_OK;
    kg_format(hint, sizeof error.hint, "%s", error.hint);
    return ok;
}

/* True if `set` (in the shell), or otherwise `train`, has the key. */
bool driver_knows(const char *key, bool in_set)
{
    struct kg_error error = {{0}, {0}};
    begin(true);
    in_set ? kg_config_set(&config, key, "?", &error) : kg_config_train_words(&config, key, &error);
    return !kg_str_starts(error.message, "unknown key");
}

/* Default of a key as a number or index of a choice; NaN for a text. */
double driver_default(const char *key, bool lm)
{
    const struct kg_key *found;
    begin(lm);
    for (size_t i = 0; (found = kg_key_at(i)); i++) {
        const void *place = (const char *)&config + found->offset;
        if (!kg_streq(found->name, key)) {
            continue;
        }
        switch (found->kind) {
        case KIND_FLAG: return *(const bool *)place;
        case KIND_COUNT:
        case KIND_CHOICE: return *(const uint32_t *)place;
        case KIND_SEED: return (double)*(const uint64_t *)place;
        case KIND_DECIMAL: return (double)*(const float *)place;
        case KIND_DOUBLE: return *(const double *)place;
        default: return __builtin_nan("");
        }
    }
    return __builtin_nan("");
}

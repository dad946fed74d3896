/* Fuzzes the command line, and `set` and `train` of the shell. The first byte selects the parser. Accepted values
 * must be within the limits of their key; refusals must be explained in one line. Lists of layers are read, too. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "app/cmdline/keys.h"
#include "app/engine.h"
#include "app/explain/layer_list.h"
#include "promise.h"

#define TEXT_MAX 6000 /* longer than a command line may be */

/* The names of ops/ops.c, without the code for all instruction sets. */
const char *const kg_isa_names[KG_N_ISA + 1] = {"c",    "avx2",    "avx512", "avxvnni", "avx512vnni",
                                                "neon", "dotprod", "i8mm",   "all",     NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

UNWATCHED static void check_number(const struct kg_key *key, double value)
{
    promise(value >= key->least && (value > key->least || !key->above));
    promise(value <= key->most && (value < key->most || !key->below));
}

UNWATCHED static void check_key(const struct kg_config *config, const struct kg_key *key)
{
    const void *place = (const char *)config + key->offset;
    if (key->kind == KIND_FLAG) {
        promise(*(const uint8_t *)place <= 1);
    } else if (key->kind == KIND_COUNT) {
        uint32_t value = *(const uint32_t *)place;
        bool unsaid = value == 0 && strcmp(key->name, "ctx") == 0;
        promise(unsaid || (value >= (uint32_t)key->least && value <= key->most));
    } else if (key->kind == KIND_DECIMAL) {
        check_number(key, (double)*(const float *)place);
    } else if (key->kind == KIND_DOUBLE) {
        check_number(key, *(const double *)place);
    } else if (key->kind == KIND_TEXT || key->kind == KIND_NAME) {
        promise(memchr(place, '\0', key->room) != NULL);
    } else if (key->kind == KIND_CHOICE) {
        bool may_stay_open = strcmp(key->name, "mode") == 0 || strcmp(key->name, "block") == 0;
        uint32_t n = 0;
        while (key->choices[n]) {
            n++;
        }
        /* KG_MODE_OPEN and KG_NO_BLOCK, the defaults, stand behind the last name. */
        promise(*(const uint32_t *)place < n || (may_stay_open && *(const uint32_t *)place == n));
    }
}

UNWATCHED static void check(const struct kg_config *config)
{
    const struct kg_key *key;
    for (size_t i = 0; (key = kg_key_at(i)); i++) {
        check_key(config, key);
    }
    promise(config->mode <= KG_MODE_OPEN);
    promise(config->lm.n_stops <= sizeof config->lm.stop / sizeof config->lm.stop[0]);
    promise(config->sampling.n_biases <= sizeof config->sampling.logit_bias / sizeof config->sampling.logit_bias[0]);
}

static void describe(const struct kg_config *config)
{
    char value[96];
    for (uint32_t i = 0; kg_config_describe(config, i, value, sizeof value); i++) {
        promise(memchr(value, '\0', sizeof value) != NULL);
    }
}

/* A list of layers that is read names layers that are there, and none twice. */
static void read_layers(const char *text, uint32_t n_layer)
{
    struct kg_layer_list list;
    uint32_t layers[KG_LAYER_LIST_MOST];
    if (kg_layer_list_read(&list, text, n_layer)) {
        uint32_t n = kg_layer_list_write(&list, layers);
        for (uint32_t i = 0; i < n; i++) {
            promise(layers[i] < n_layer && (i == 0 || layers[i] > layers[i - 1]));
        }
    }
}

/* Splits like the shell's "set KEY VALUE". */
static enum kg_status set(struct kg_config *config, char *text, struct kg_error *error)
{
    char *value = strchr(text, ' ');
    if (value) {
        *value++ = '\0';
    }
    return kg_config_set(config, text, value, error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_config config;
    char text[TEXT_MAX + 1];
    struct kg_error error = {0};
    if (size == 0 || size > TEXT_MAX) {
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    kg_config_defaults(&config);
    kg_engine_defaults(&config);
    enum kg_status status = data[0] % 4 == 0   ? set(&config, text, &error)
                            : data[0] % 4 == 1 ? kg_config_train_words(&config, text, &error)
                                               : kg_cmdline_parse(&config, text, &error);
    promise(status == KG_OK || (status == KG_E_INPUT && error.message[0] && error.hint[0]));
    check(&config);
    if (status == KG_OK) {
        describe(&config);
        read_layers(config.lm.explain_layers, 1 + (uint32_t)size % KG_LAYER_LIST_MOST);
    }
    return 0;
}

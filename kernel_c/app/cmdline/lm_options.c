/* The options that only kernels for language models have, as keys of the command line: see kgpt/options.def. */
#include "keys.h"

#include "kgpt/format.h"
#include "kgpt/lm.h"
#include "kgpt/lm_sampler.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"

#define KG_LM_NAMES(names, ...) const char *const kg_##names##_names[] = {__VA_ARGS__, NULL};
#include "kgpt/options.def"

#define CAPACITY(list) (sizeof(list) / sizeof((list)[0]))

static bool read_system(struct kg_config *config, const char *value)
{
    size_t n = value ? kg_strlen(value) : sizeof config->lm.system;
    if (n >= sizeof config->lm.system) {
        return false;
    }
    memcpy(config->lm.system, value, n + 1);
    config->lm.long_system = NULL;
    config->lm.system_given = true;
    return true;
}

const char *kg_lm_system(const struct kg_lm_config *config)
{
    const char *image = config->image_system && !config->system_given ? config->image_system : config->system;
    return config->long_system ? config->long_system : image;
}

static void describe_system(const struct kg_config *config, char *out, size_t size)
{
    const char *system = kg_lm_system(&config->lm);
    kg_format(out, size, config->lm.system_given || *system ? "\"%.200s\"" : "the model's own", system);
}

/* `stop=TEXT` adds a text; `stop=` removes all of them. */
static bool read_stop(struct kg_config *config, const char *value)
{
    struct kg_lm_config *lm = &config->lm;
    size_t n = value ? kg_strlen(value) : sizeof lm->stop[0];
    if (n == 0) {
        lm->n_stops = 0;
        return true;
    }
    if (n >= sizeof lm->stop[0] || lm->n_stops == CAPACITY(lm->stop)) {
        return false;
    }
    memcpy(lm->stop[lm->n_stops++], value, n + 1);
    return true;
}

static void describe_stop(const struct kg_config *config, char *out, size_t size)
{
    size_t n = 0;
    kg_format(out, size, "none");
    for (uint32_t i = 0; i < config->lm.n_stops && n < size; i++) {
        n += kg_format(out + n, size - n, "%s\"%s\"", i ? ", " : "", config->lm.stop[i]);
    }
}

/* `logit_bias=ID+BIAS` or `ID-BIAS`, as llama.cpp writes it, adds a bias; `logit_bias=` removes all of them. */
static bool read_logit_bias(struct kg_config *config, const char *value)
{
    struct kg_sampling *sampling = &config->sampling;
    char id[24];
    size_t n = 0;
    uint64_t token;
    float bias;
    if (value && !*value) {
        sampling->n_biases = 0;
        return true;
    }
    while (value && value[n] >= '0' && value[n] <= '9' && n + 1 < sizeof id) {
        id[n] = value[n];
        n++;
    }
    id[n] = '\0';
    if (n == 0 || (value[n] != '+' && value[n] != '-') || !kg_parse_u64(id, &token) || token > UINT32_MAX ||
        sampling->n_biases == CAPACITY(sampling->logit_bias)) {
        return false;
    }
    if (kg_streq(value + n + 1, "inf")) {
        bias = __builtin_inff();
    } else if (!kg_parse_decimal(value + n + 1, &bias)) {
        return false;
    }
    sampling->logit_bias[sampling->n_biases++] =
        (struct kg_logit_bias){(uint32_t)token, value[n] == '-' ? -bias : bias};
    return true;
}

static void describe_logit_bias(const struct kg_config *config, char *out, size_t size)
{
    size_t n = 0;
    kg_format(out, size, "none");
    for (uint32_t i = 0; i < config->sampling.n_biases && n < size; i++) {
        const struct kg_logit_bias *bias = &config->sampling.logit_bias[i];
        n += kg_format(out + n, size - n, "%s%u%s%.3f", i ? ", " : "", bias->token, bias->bias < 0 ? "" : "+",
                       (double)bias->bias);
    }
}

/* A number of a model, or the address of one; app/lm.c reads them. */
static bool read_model_option(struct kg_config *config, const char *value)
{
    uint64_t number;
    size_t n = value ? kg_strlen(value) : sizeof config->lm.model;
    bool numbered = value && kg_parse_u64(value, &number) && number >= 1 && number <= KG_MODELS_MOST;
    if (n >= sizeof config->lm.model || !(numbered || kg_str_has_scheme(value))) {
        return false;
    }
    memcpy(config->lm.model, value, n + 1);
    return true;
}

static void describe_model_option(const struct kg_config *config, char *out, size_t size)
{
    kg_format(out, size, "%s", config->lm.model[0] ? config->lm.model : "the first");
}

/* The keys that are read and described by functions of their own. */
#define EXPECTS_BYTES(most) "=TEXT has at most " #most " bytes"
#define EXPECTS_TIMES(times, bytes) \
    EXPECTS_BYTES(bytes) ", and can come " #times " times; without a value it forgets them"
#define EXPECTS_EACH(times) \
    "=ID+BIAS or ID-BIAS, such as 15-inf, at most " #times " times; without a value it forgets them"
#define OWN_KEY(name, values) \
    static const struct kg_own_key kg_own_##name = {read_##name, describe_##name, #name EXPECTS_##values};
#define EXPECTS_MODEL "=N is a number from 1 to 16, or http://HOST/FILE.gguf, or tftp://HOST/FILE.gguf"
#define OWN_MODEL(name, values) \
    static const struct kg_own_key kg_own_##name = {read_model_option, describe_model_option, #name EXPECTS_MODEL};
#define OWN_SYSTEM OWN_KEY
#define OWN_TEXTS OWN_KEY
#define OWN_BIASES OWN_KEY
#define OWN_FLAG(name, values)
#define OWN_TEXT(name, values)
#define OWN_COUNT(name, values)
#define OWN_CHOICE(name, values)
#define KG_LM(name, kind, values, where, otherwise, unit, help, words) OWN_##kind(name, values)
#define KG_LM_BIASES KG_LM
#include "kgpt/options.def"

const struct kg_key kg_engine_keys[] = {
#define KG_LM(name, kind, values, where, otherwise, unit, help, words) KG_OPTION(name, lm.name, kind, values, where)
#define KG_LM_SAMPLING(name, kind, values, where, otherwise, unit, help, words) \
    KG_OPTION(name, sampling.name, kind, values, where)
#define KG_LM_BIASES KG_LM_SAMPLING
#include "kgpt/options.def"
    {0},
};

void kg_engine_defaults(struct kg_config *config)
{
    kg_lm_sampling_defaults(&config->sampling);
#define KG_LM_RUN(name, otherwise) config->name = otherwise;
#define KG_LM(name, kind, values, where, otherwise, unit, help, words) KG_PRESUME_##kind(config->lm.name, otherwise)
#include "kgpt/options.def"
}

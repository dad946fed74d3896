/* What the command line and `set` say of language models. */
#include "app/engine.h"
#include "app/lm.h"
#include "keys.h"

#include "kgpt/format.h"
#include "kgpt/lm.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"

const char *const kg_kv_names[] = {"f16", "q8", "f32", "auto", NULL}; /* enum kg_kv_type, and KG_KV_AUTO */
static const char *const stats_names[] = {"off", "on", NULL};
const char *const kg_think_names[] = {"on", "off", NULL};
const char *const kg_overflow_names[] = {"error", "shift", NULL};

static bool set_system(struct kg_config *config, const char *value)
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
    return config->long_system ? config->long_system : config->system;
}

static void describe_system(const struct kg_config *config, char *out, size_t size)
{
    kg_format(out, size, config->lm.system_given ? "\"%.200s\"" : "the model's own", kg_lm_system(&config->lm));
}

/* `stop=TEXT` adds one, `stop=` forgets them all. */
static bool set_stop(struct kg_config *config, const char *value)
{
    struct kg_lm_config *lm = &config->lm;
    size_t n = value ? kg_strlen(value) : KG_STOP_MAX;
    if (n == 0) {
        lm->n_stops = 0;
        return true;
    }
    if (n >= KG_STOP_MAX || lm->n_stops == KG_MAX_STOPS) {
        return false;
    }
    memcpy(lm->stops[lm->n_stops++], value, n + 1);
    return true;
}

static void describe_stop(const struct kg_config *config, char *out, size_t size)
{
    size_t n = 0;
    kg_format(out, size, "none");
    for (uint32_t i = 0; i < config->lm.n_stops && n < size; i++) {
        n += kg_format(out + n, size - n, "%s\"%s\"", i ? ", " : "", config->lm.stops[i]);
    }
}

/* "ID+BIAS" or "ID-BIAS", as llama.cpp writes it; `logit_bias=` forgets them all. */
static bool set_bias(struct kg_config *config, const char *value)
{
    struct kg_lm_config *lm = &config->lm;
    char id[24];
    size_t n = 0;
    uint64_t token;
    float bias;
    if (value && !*value) {
        lm->n_biases = 0;
        return true;
    }
    while (value && value[n] >= '0' && value[n] <= '9' && n + 1 < sizeof id) {
        id[n] = value[n];
        n++;
    }
    id[n] = '\0';
    if (n == 0 || (value[n] != '+' && value[n] != '-') || !kg_parse_u64(id, &token) || token > UINT32_MAX ||
        lm->n_biases == KG_MAX_BIASES) {
        return false;
    }
    if (kg_streq(value + n + 1, "inf")) {
        bias = __builtin_inff();
    } else if (!kg_parse_decimal(value + n + 1, &bias)) {
        return false;
    }
    lm->biases[lm->n_biases++] = (struct kg_logit_bias){(uint32_t)token, value[n] == '-' ? -bias : bias};
    return true;
}

static void describe_bias(const struct kg_config *config, char *out, size_t size)
{
    size_t n = 0;
    kg_format(out, size, "none");
    for (uint32_t i = 0; i < config->lm.n_biases && n < size; i++) {
        const struct kg_logit_bias *bias = &config->lm.biases[i];
        n += kg_format(out + n, size - n, "%s%u%s%.3f", i ? ", " : "", bias->token, bias->bias < 0 ? "" : "+",
                       (double)bias->bias);
    }
}

#define COUNT(key, field, from, to, where) \
    {.name = key, .kind = KIND_COUNT, .offset = AT(lm.field), .least = from, .most = to, .not_in = where}
#define DECIMAL(key, field, from, to, without) \
    {.name = key,                              \
     .kind = KIND_DECIMAL,                     \
     .offset = AT(lm.field),                   \
     .least = from,                            \
     .most = to,                               \
     .above = without,                         \
     .not_in = IN_TRAIN}
#define ONLY_AT_BOOT (IN_SET | IN_TRAIN)

static const struct kg_own_key own_system = {set_system, describe_system, "system=TEXT has at most 2047 bytes"};
static const struct kg_own_key own_logit_bias = {
    set_bias, describe_bias,
    "logit_bias=ID+BIAS or ID-BIAS, such as 15-inf, at most 32 times; without a value it forgets them"};
static const struct kg_own_key own_stop = {
    set_stop, describe_stop, "stop=TEXT has at most 63 bytes, and can come 4 times; without a value it forgets them"};

const struct kg_key kg_engine_keys[] = {
    {.name = "system", .kind = KIND_OWN, .own = &own_system, .not_in = IN_TRAIN},
    COUNT("ctx", ctx, 1, 1 << 24, ONLY_AT_BOOT),
    COUNT("ubatch", n_batch, 1, 4096, ONLY_AT_BOOT),
    {.name = "kv", .kind = KIND_CHOICE, .offset = AT(lm.kv), .choices = kg_kv_names, .not_in = ONLY_AT_BOOT},
    {.name = "on_overflow",
     .kind = KIND_CHOICE,
     .offset = AT(lm.on_overflow),
     .choices = kg_overflow_names,
     .not_in = IN_TRAIN},
    {.name = "think", .kind = KIND_CHOICE, .offset = AT(lm.think), .choices = kg_think_names, .not_in = IN_TRAIN},
    DECIMAL("typical_p", typical_p, 0, 1, true),
    DECIMAL("repeat_penalty", repeat_penalty, 0, 100, true),
    COUNT("repeat_last_n", repeat_last_n, 0, 1 << 20, IN_TRAIN),
    DECIMAL("frequency_penalty", frequency_penalty, -2, 2, false),
    DECIMAL("presence_penalty", presence_penalty, -2, 2, false),
    {.name = "logit_bias", .kind = KIND_OWN, .own = &own_logit_bias, .not_in = IN_TRAIN},
    {.name = "stop", .kind = KIND_OWN, .own = &own_stop, .not_in = IN_TRAIN},
    {.name = "stats", .kind = KIND_CHOICE, .offset = AT(lm.stats), .choices = stats_names, .not_in = IN_TRAIN},
    COUNT("logprobs", logprobs, 0, 20, IN_TRAIN),
    COUNT("model", model, 1, 16, ONLY_AT_BOOT),
    COUNT("modules", modules, 0, KG_FILES_MAX, ONLY_AT_BOOT),
    {.name = "layers", .kind = KIND_FLAG, .offset = AT(lm.layers), .not_in = ONLY_AT_BOOT},
    COUNT("pp", bench_pp, 0, 1 << 20, IN_TRAIN),
    COUNT("tg", bench_tg, 0, 1 << 20, IN_TRAIN),
    COUNT("repeat", bench_repeat, 1, 1000, IN_TRAIN),
};
const size_t kg_n_engine_keys = sizeof kg_engine_keys / sizeof kg_engine_keys[0];

/* llama.cpp's defaults. */
void kg_engine_defaults(struct kg_config *config)
{
    struct kg_lm_sampling sampling;
    kg_lm_sampling_defaults(&sampling);
    config->mode = KG_MODE_OPEN;
    config->samples = 1;
    config->sampling = (struct kg_sampling){
        .temperature = sampling.temperature, .top_k = sampling.top_k, .top_p = sampling.top_p, .min_p = sampling.min_p};
    config->lm = (struct kg_lm_config){
        .n_batch = 64,
        .kv = KG_KV_AUTO,
        .model = 1,
        .typical_p = sampling.typical_p,
        .repeat_last_n = sampling.repeat_last_n,
        .repeat_penalty = sampling.repeat_penalty,
        .frequency_penalty = sampling.frequency_penalty,
        .presence_penalty = sampling.presence_penalty,
        .bench_pp = 64,
        .bench_tg = 16,
        .bench_repeat = 3,
    };
}

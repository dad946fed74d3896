/* The command line: one table says what every key means, what it accepts, and what it says when it does not. */
#include "keys.h"
#include "words.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/str.h"

const char *const kg_mode_names[] = {"generate", "shell", "selftest", "train", "chat", "bench", NULL};
static const char *const screen_names[] = {"auto", "off", "safe", NULL};           /* enum kg_screen_use */
static const char *const output_names[] = {"auto", "plain", "color", "raw", NULL}; /* enum kg_output */
static const char *const fault_names[] = {"ud",    "null",  "text", "exec", "stack",  "div", "hang",
                                          "reset", "panic", "deaf", "cpu",  "screen", NULL};
static const char *const clock_names[] = {"cpuid", "hypervisor", "hpet", "pmtimer", "pit", "base", NULL};

#define COUNT_OF_TRAIN(key, field, from, to) \
    {.name = key, .kind = KIND_COUNT, .offset = AT(train.field), .least = from, .most = to, .not_in = IN_SET}
#define DOUBLE_OF_TRAIN(key, field, to) \
    {.name = key, .kind = KIND_DOUBLE, .offset = AT(train.field), .most = to, .not_in = IN_SET}

static const struct kg_key keys[] = {
    {.name = "mode", .kind = KIND_CHOICE, .offset = AT(mode), .choices = kg_mode_names, .not_in = IN_SET | IN_TRAIN},
    {.name = "prompt", .kind = KIND_NAME, .offset = AT(prompt), .room = ROOM(prompt)},
    {.name = "samples", .kind = KIND_COUNT, .offset = AT(samples), .least = 1, .most = 1000000},
    {.name = "max_tokens", .kind = KIND_COUNT, .offset = AT(max_tokens), .most = UINT32_MAX},
    {.name = "seed", .kind = KIND_SEED, .offset = AT(seed)},
    {.name = "temperature", .kind = KIND_DECIMAL, .offset = AT(sampling.temperature), .most = 100},
    {.name = "top_k", .kind = KIND_COUNT, .offset = AT(sampling.top_k), .most = UINT32_MAX},
    {.name = "top_p", .kind = KIND_DECIMAL, .offset = AT(sampling.top_p), .most = 1, .above = true},
    {.name = "min_p", .kind = KIND_DECIMAL, .offset = AT(sampling.min_p), .most = 1},
    {.name = "cpumask", .kind = KIND_CHOICE, .offset = AT(cpumask), .choices = kg_isa_names},
    {.name = "cpus", .kind = KIND_COUNT, .offset = AT(cpus), .most = 256, .not_in = IN_SET | IN_TRAIN},
    {.name = "screen", .kind = KIND_CHOICE, .offset = AT(screen), .choices = screen_names, .not_in = IN_SET | IN_TRAIN},
    {.name = "scale", .kind = KIND_COUNT, .offset = AT(scale), .most = 8, .not_in = IN_SET | IN_TRAIN},
    {.name = "output", .kind = KIND_CHOICE, .offset = AT(output), .choices = output_names, .not_in = IN_SET | IN_TRAIN},
    {.name = "columns", .kind = KIND_COUNT, .offset = AT(columns), .most = 1000, .not_in = IN_SET | IN_TRAIN},
    {.name = "exit", .kind = KIND_FLAG, .offset = AT(exit), .not_in = IN_SET | IN_TRAIN},
    {.name = "logits", .kind = KIND_FLAG, .offset = AT(logits), .not_in = IN_SET | IN_TRAIN},
    {.name = "text", .kind = KIND_FLAG, .offset = AT(train.text), .not_in = IN_SET},
    {.name = "exact", .kind = KIND_FLAG, .offset = AT(train.exact), .not_in = IN_SET},
    COUNT_OF_TRAIN("steps", adam.steps, 1, 1000000000),
    COUNT_OF_TRAIN("until", until, 0, 1000000000),
    COUNT_OF_TRAIN("batch", batch, 1, 1048576),
    COUNT_OF_TRAIN("chunks", chunks, 0, 1048576),
    COUNT_OF_TRAIN("n_layer", n_layer, 1, 1024),
    COUNT_OF_TRAIN("n_embd", n_embd, 1, 65536),
    COUNT_OF_TRAIN("n_head", n_head, 1, 65536),
    COUNT_OF_TRAIN("block_size", block_size, 1, 65536),
    COUNT_OF_TRAIN("eval_every", eval_every, 0, 1000000000),
    COUNT_OF_TRAIN("checkpoint_every", checkpoint_every, 0, 1000000000),
    DOUBLE_OF_TRAIN("lr", adam.lr, 1000),
    DOUBLE_OF_TRAIN("beta1", adam.beta1, 1),
    DOUBLE_OF_TRAIN("beta2", adam.beta2, 1),
    DOUBLE_OF_TRAIN("eps", adam.eps, 1),
    DOUBLE_OF_TRAIN("weight_decay", adam.weight_decay, 1000),
    DOUBLE_OF_TRAIN("val_fraction", val_fraction, 1),
    {.name = "clock",
     .kind = KIND_NAME,
     .offset = AT(clock),
     .choices = clock_names,
     .room = ROOM(clock),
     .not_in = IN_SET | IN_TRAIN},
    {.name = "test", .kind = KIND_NAME, .offset = AT(test), .room = ROOM(test), .not_in = IN_SET | IN_TRAIN},
    {.name = "fault",
     .kind = KIND_NAME,
     .offset = AT(fault),
     .choices = fault_names,
     .room = ROOM(fault),
     .not_in = IN_SET | IN_TRAIN},
};
#define N_KEYS (sizeof keys / sizeof keys[0])
#define MOST_KEYS 96 /* of both tables, for suggestions */

void kg_config_defaults(struct kg_config *config)
{
    memset(config, 0, sizeof *config);
    config->samples = 20;
    config->seed = 42;
    config->sampling = (struct kg_sampling){.temperature = 0.5f, .top_p = 1.0f};
    config->cpumask = KG_N_ISA - 1;
    config->train = (struct kg_train_config){
        .adam = kg_adam_defaults(),
        .batch = 16,
        .n_layer = 1,
        .n_embd = 16,
        .n_head = 4,
        .block_size = 16,
    };
}

static void list_names(char *out, size_t size, const char *const *names)
{
    size_t n = 0;
    out[0] = '\0';
    for (; *names && n < size; names++) {
        n += kg_format(out + n, size - n, "%s%s", n ? ", " : "", *names);
    }
}

/* Key number i of both tables. */
static const struct kg_key *key_at(size_t i)
{
    return i < N_KEYS ? &keys[i] : &kg_engine_keys[i - N_KEYS];
}

static size_t n_keys(void)
{
    return N_KEYS + kg_n_engine_keys;
}

static const struct kg_key *find_key(const char *name, enum kg_key_place place)
{
    for (size_t i = 0; i < n_keys(); i++) {
        const struct kg_key *key = key_at(i);
        if (kg_streq(key->name, name) && !(key->not_in & place)) {
            return key;
        }
    }
    return NULL;
}

static enum kg_status unknown_key(const char *name, enum kg_key_place place, struct kg_error *error)
{
    const char *names[MOST_KEYS + 1];
    char list[sizeof error->hint];
    size_t n = 0;
    for (size_t i = 0; i < n_keys() && n < MOST_KEYS; i++) {
        if (!(key_at(i)->not_in & place)) {
            names[n++] = key_at(i)->name;
        }
    }
    names[n] = NULL;
    kg_error_set(error, KG_E_INPUT, "unknown key \"%.64s\"%s", name, place == AT_BOOT ? " on the command line" : "");
    const char *meant = kg_suggest(name, names);
    if (meant) {
        kg_error_hint(error, "did you mean \"%s\"?", meant);
    } else {
        list_names(list, sizeof list, names);
        kg_error_hint(error, "known keys: %s", list);
    }
    return KG_E_INPUT;
}

/* What `key` accepts, for a hint. */
static void expected(const struct kg_key *key, char *out, size_t size)
{
    switch (key->kind) {
    case KIND_FLAG: kg_format(out, size, "%s stands alone, without a value", key->name); return;
    case KIND_COUNT:
        kg_format(out, size, "%s is a whole number from %ld to %ld", key->name, (long)key->least, (long)key->most);
        return;
    case KIND_SEED: kg_format(out, size, "%s is a whole number below 2^64, or \"random\"", key->name); return;
    case KIND_DOUBLE:
    case KIND_DECIMAL:
        kg_format(out, size, "%s is a number %s %ld and at most %ld", key->name, key->above ? "above" : "of at least",
                  (long)key->least, (long)key->most);
        return;
    case KIND_CHOICE:
    case KIND_NAME:
        if (!key->choices) {
            kg_format(out, size, "%s=TEXT has at most %zu bytes", key->name, (size_t)key->room - 1);
            return;
        }
        size_t n = kg_format(out, size, "%s is one of ", key->name);
        list_names(out + n, size - n, key->choices);
        return;
    case KIND_OWN: kg_format(out, size, "%s", key->own->expects); return;
    }
}

static enum kg_status wrong_value(const struct kg_key *key, const char *value, struct kg_error *error)
{
    char hint[192];
    if (!value) {
        kg_error_set(error, KG_E_INPUT, "%s needs a value", key->name);
    } else {
        kg_error_set(error, KG_E_INPUT, "%s=%.64s%s is not possible", key->name, value,
                     kg_strlen(value) > 64 ? "…" : "");
    }
    expected(key, hint, sizeof hint);
    kg_error_hint(error, "%s", hint);
    return KG_E_INPUT;
}

static bool set_count(const struct kg_key *key, const char *value, uint32_t *place)
{
    uint64_t number;
    if (!kg_parse_u64(value, &number) || number < (uint64_t)key->least || number > key->most) {
        return false;
    }
    *place = (uint32_t)number;
    return true;
}

static bool set_seed(struct kg_config *config, const char *value)
{
    uint64_t seed = config->seed;
    bool random = kg_streq(value, "random");
    if (!random && !kg_parse_u64(value, &seed)) {
        return false;
    }
    config->seed_random = random;
    config->seed = seed;
    return true;
}

static bool set_decimal(const struct kg_key *key, const char *value, float *place)
{
    float number;
    bool negative = key->least < 0 && *value == '-';
    if (!kg_parse_decimal(value + negative, &number)) {
        return false;
    }
    number = negative ? -number : number;
    if (number > (float)key->most || number < (float)key->least || (key->above && number <= (float)key->least)) {
        return false;
    }
    *place = number;
    return true;
}

static bool set_double(const struct kg_key *key, const char *value, double *place)
{
    double number;
    if (!kg_parse_double(value, &number) || number > (double)key->most || number < (double)key->least) {
        return false;
    }
    *place = number;
    return true;
}

static bool find_choice(const char *const *choices, const char *value, uint32_t *index)
{
    for (uint32_t i = 0; choices[i]; i++) {
        if (kg_streq(choices[i], value)) {
            *index = i;
            return true;
        }
    }
    return false;
}

static bool set_name(const struct kg_key *key, const char *value, char *place)
{
    uint32_t unused;
    size_t n = kg_strlen(value);
    if (n >= key->room || (key->choices && !find_choice(key->choices, value, &unused))) {
        return false;
    }
    memcpy(place, value, n + 1);
    return true;
}

static bool set_value(struct kg_config *config, const struct kg_key *key, const char *value)
{
    void *place = (char *)config + key->offset;
    if (!value != (key->kind == KIND_FLAG)) {
        return false;
    }
    switch (key->kind) {
    case KIND_FLAG: *(bool *)place = true; return true;
    case KIND_COUNT: return set_count(key, value, place);
    case KIND_SEED: return set_seed(config, value);
    case KIND_DECIMAL: return set_decimal(key, value, place);
    case KIND_DOUBLE: return set_double(key, value, place);
    case KIND_CHOICE: return find_choice(key->choices, value, place);
    case KIND_NAME: return set_name(key, value, place);
    case KIND_OWN: return key->own->set(config, value);
    }
    return false;
}

static enum kg_status set_key(struct kg_config *config, const char *name, const char *value, enum kg_key_place place,
                              struct kg_error *error)
{
    const struct kg_key *key = find_key(name, place);
    if (!key) {
        return unknown_key(name, place, error);
    }
    return set_value(config, key, value) ? KG_OK : wrong_value(key, value, error);
}

enum kg_status kg_config_set(struct kg_config *config, const char *key, const char *value, struct kg_error *error)
{
    return set_key(config, key, value, IN_SET, error);
}

static const char *skip_spaces(const char *text)
{
    while (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r') {
        text++;
    }
    return text;
}

/* `word` begins with the key. */
static enum kg_status not_quoted(char *word, struct kg_error *error)
{
    size_t n = 0;
    while (word[n] && word[n] != '=') {
        n++;
    }
    word[n] = '\0';
    kg_error_set(error, KG_E_INPUT, "the value of %.64s is not quoted properly", word);
    kg_error_hint(error, "write %.32s=\"…\" followed by a space; inside, \\\" \\\\ \\n \\t", word);
    return KG_E_INPUT;
}

static enum kg_status parse_words(struct kg_config *config, const char *text, enum kg_key_place place,
                                  struct kg_error *error)
{
    char word[KG_CMDLINE_MAX + 1];
    if (kg_strlen(text) > KG_CMDLINE_MAX) {
        kg_error_set(error, KG_E_INPUT, "the command line is longer than %d bytes", KG_CMDLINE_MAX);
        kg_error_hint(error, "shorten it, or its prompt");
        return KG_E_INPUT;
    }
    for (text = skip_spaces(text); *text; text = skip_spaces(text)) {
        text = kg_word_next(text, word);
        if (!text) {
            return not_quoted(word, error);
        }
        char *value = word;
        while (*value && *value != '=') {
            value++;
        }
        bool has_value = *value != '\0';
        if (has_value && !kg_word_unquote(value + 1)) {
            return not_quoted(word, error);
        }
        *value = '\0';
        enum kg_status status = set_key(config, word, has_value ? value + 1 : NULL, place, error);
        if (status != KG_OK) {
            return status;
        }
    }
    return KG_OK;
}

enum kg_status kg_cmdline_parse(struct kg_config *config, const char *text, struct kg_error *error)
{
    return parse_words(config, text, AT_BOOT, error);
}

enum kg_status kg_config_train_words(struct kg_config *config, const char *text, struct kg_error *error)
{
    return parse_words(config, text, IN_TRAIN, error);
}

static void describe_value(const struct kg_config *config, const struct kg_key *key, char *out, size_t size)
{
    const void *place = (const char *)config + key->offset;
    switch (key->kind) {
    case KIND_FLAG: kg_format(out, size, "%s", *(const bool *)place ? "on" : "off"); return;
    case KIND_COUNT: kg_format(out, size, "%u", *(const uint32_t *)place); return;
    case KIND_SEED:
        if (config->seed_random) {
            kg_format(out, size, "random");
        } else {
            kg_format(out, size, "%lu", (unsigned long)config->seed);
        }
        return;
    case KIND_DECIMAL: kg_format(out, size, "%.3f", (double)*(const float *)place); return;
    case KIND_DOUBLE: kg_format(out, size, "%.9f", *(const double *)place); return;
    case KIND_CHOICE: kg_format(out, size, "%s", key->choices[*(const uint32_t *)place]); return;
    case KIND_NAME: kg_format(out, size, "\"%s\"", (const char *)place); return;
    case KIND_OWN: key->own->describe(config, out, size); return;
    }
}

const char *kg_config_describe(const struct kg_config *config, uint32_t i, char *value, size_t size)
{
    for (size_t k = 0; k < n_keys(); k++) {
        const struct kg_key *key = key_at(k);
        if (!(key->not_in & IN_SET) && i-- == 0) {
            describe_value(config, key, value, size);
            return key->name;
        }
    }
    return NULL;
}

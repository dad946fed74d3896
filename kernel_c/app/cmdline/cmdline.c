/* Reads words of the command line, of `set` and of `train` by the tables of keys (keys.h), and explains refusals. */
#include "keys.h"
#include "words.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/str.h"

#define MOST_KEYS 96 /* of both tables, for suggestions */

static void list_names(char *out, size_t size, const char *const *names)
{
    size_t n = 0;
    out[0] = '\0';
    for (; *names && n < size; names++) {
        n += kg_format(out + n, size - n, "%s%s", n ? ", " : "", *names);
    }
}

static const struct kg_key *find_key(const char *name, enum kg_key_place place)
{
    const struct kg_key *key;
    for (size_t i = 0; (key = kg_key_at(i)); i++) {
        if (kg_streq(key->name, name) && !(key->not_in & place)) {
            break;
        }
    }
    return key;
}

static enum kg_status refuse_unknown_key(const char *name, enum kg_key_place place, struct kg_error *error)
{
    const char *names[MOST_KEYS + 1];
    char list[sizeof error->hint];
    const struct kg_key *key;
    size_t n = 0;
    for (size_t i = 0; (key = kg_key_at(i)) && n < MOST_KEYS; i++) {
        if (!(key->not_in & place)) {
            names[n++] = key->name;
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

/* The values that `key` accepts, for a hint. */
static void describe_accepted(const struct kg_key *key, char *out, size_t size)
{
    switch (key->kind) {
    case KIND_FLAG: kg_format(out, size, "%s stands alone, without a value", key->name); return;
    case KIND_COUNT:
        kg_format(out, size, "%s is a whole number from %ld to %ld", key->name, (long)key->least, (long)key->most);
        return;
    case KIND_SEED: kg_format(out, size, "%s is a whole number below 2^64, or \"random\"", key->name); return;
    case KIND_DOUBLE:
    case KIND_DECIMAL:
        kg_format(out, size, "%s is a number %s %ld and %s %ld", key->name, key->above ? "above" : "of at least",
                  (long)key->least, key->below ? "below" : "at most", (long)key->most);
        return;
    case KIND_TEXT: kg_format(out, size, "%s=TEXT has at most %zu bytes", key->name, (size_t)key->room - 1); return;
    case KIND_CHOICE:
    case KIND_NAME:;
        size_t n = kg_format(out, size, "%s is one of ", key->name);
        list_names(out + n, size - n, key->choices);
        return;
    case KIND_OWN: kg_format(out, size, "%s", key->own->expects); return;
    }
}

static enum kg_status refuse_value(const struct kg_key *key, const char *value, struct kg_error *error)
{
    char hint[192];
    if (!value) {
        kg_error_set(error, KG_E_INPUT, "%s needs a value", key->name);
    } else {
        kg_error_set(error, KG_E_INPUT, "%s=%.64s%s is not possible", key->name, value,
                     kg_strlen(value) > 64 ? "…" : "");
    }
    describe_accepted(key, hint, sizeof hint);
    kg_error_hint(error, "%s", hint);
    return KG_E_INPUT;
}

static bool parse_count(const struct kg_key *key, const char *value, uint32_t *place)
{
    uint64_t number;
    if (!kg_parse_u64(value, &number) || number < (uint64_t)key->least || number > key->most) {
        return false;
    }
    *place = (uint32_t)number;
    return true;
}

static bool parse_config_count(struct kg_config *config, const struct kg_key *key, const char *value)
{
    uint32_t *place = (uint32_t *)(void *)((char *)config + key->offset);
    config->max_tokens_given |= place == &config->max_tokens;
    return parse_count(key, value, place);
}

static bool parse_seed(struct kg_config *config, const char *value)
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

static bool is_in_range(const struct kg_key *key, double number)
{
    double least = key->least, most = key->most;
    return number >= least && number <= most && !(key->above && number == least) && !(key->below && number == most);
}

static bool parse_float(const struct kg_key *key, const char *value, float *place)
{
    float number;
    bool negative = key->least < 0 && *value == '-';
    if (!kg_parse_decimal(value + negative, &number)) {
        return false;
    }
    number = negative ? -number : number;
    if (!is_in_range(key, (double)number)) {
        return false;
    }
    *place = number;
    return true;
}

static bool parse_double(const struct kg_key *key, const char *value, double *place)
{
    double number;
    if (!kg_parse_double(value, &number) || !is_in_range(key, number)) {
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

static bool copy_value(const struct kg_key *key, const char *value, char *place)
{
    size_t n = kg_strlen(value);
    if (n >= key->room) {
        return false;
    }
    memcpy(place, value, n + 1);
    return true;
}

static bool set_value(struct kg_config *config, const struct kg_key *key, const char *value)
{
    void *place = (char *)config + key->offset;
    uint32_t unused;
    if (!value != (key->kind == KIND_FLAG)) {
        return false;
    }
    switch (key->kind) {
    case KIND_FLAG: *(bool *)place = true; return true;
    case KIND_COUNT: return parse_config_count(config, key, value);
    case KIND_SEED: return parse_seed(config, value);
    case KIND_DECIMAL: return parse_float(key, value, place);
    case KIND_DOUBLE: return parse_double(key, value, place);
    case KIND_CHOICE: return find_choice(key->choices, value, place);
    case KIND_TEXT: return copy_value(key, value, place);
    case KIND_NAME: return find_choice(key->choices, value, &unused) && copy_value(key, value, place);
    case KIND_OWN: return key->own->set(config, value);
    }
    return false;
}

static enum kg_status set_key(struct kg_config *config, const char *name, const char *value, enum kg_key_place place,
                              struct kg_error *error)
{
    const struct kg_key *key = find_key(name, place);
    if (!key) {
        return refuse_unknown_key(name, place, error);
    }
    return set_value(config, key, value) ? KG_OK : refuse_value(key, value, error);
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

/* A word that begins with a key, and whose value is not quoted properly. */
static enum kg_status refuse_quotes(char *word, struct kg_error *error)
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
            return refuse_quotes(word, error);
        }
        char *value = word;
        while (*value && *value != '=') {
            value++;
        }
        bool has_value = *value != '\0';
        if (has_value && !kg_word_unquote(value + 1)) {
            return refuse_quotes(word, error);
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
    case KIND_TEXT:
    case KIND_NAME: kg_format(out, size, "\"%s\"", (const char *)place); return;
    case KIND_OWN: key->own->describe(config, out, size); return;
    }
}

const char *kg_config_describe(const struct kg_config *config, uint32_t i, char *value, size_t size)
{
    const struct kg_key *key;
    for (size_t k = 0; (key = kg_key_at(k)); k++) {
        if (!(key->not_in & IN_SET) && i-- == 0) {
            describe_value(config, key, value, size);
            return key->name;
        }
    }
    return NULL;
}

/* The settings that decide replies, as words that can be kept: see keys.h. */
#include "keys.h"

#include "kgpt/format.h"
#include "kgpt/json.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

/* The words so far. They must fit: KG_LM_WORDS_MAX has room for the longest of all values. */
struct words {
    char *text;
    size_t n;
};

static void put_text(struct words *words, const char *text)
{
    size_t n = kg_strlen(text);
    if (n < KG_LM_WORDS_MAX - words->n) {
        memcpy(words->text + words->n, text, n);
        words->n += n;
    }
}

static void begin_kept_word(struct words *words, const char *key)
{
    put_text(words, key);
    put_text(words, "=");
}

static void end_kept_word(struct words *words)
{
    words->text[words->n++] = '\0';
}

static void put_kept_word(struct words *words, const char *key, const char *value)
{
    begin_kept_word(words, key);
    put_text(words, value);
    end_kept_word(words);
}

/* True for the sampling options, and for those of the others that decide a reply. */
static bool decides(const struct kg_key *key)
{
    static const char *const others[] = {"max_tokens", "system", "on_overflow", "think", "stop", "grammar"};
    bool sampling = key->offset >= offsetof(struct kg_config, sampling) &&
                    key->offset < offsetof(struct kg_config, sampling) + sizeof(struct kg_sampling);
    for (size_t i = 0; !sampling && i < sizeof others / sizeof others[0]; i++) {
        sampling = kg_streq(key->name, others[i]);
    }
    return sampling && !(key->not_in & IN_SET);
}

static void put_biases(struct words *words, const struct kg_sampling *sampling)
{
    put_kept_word(words, "logit_bias", ""); /* forgets those before */
    for (uint32_t i = 0; i < sampling->n_biases; i++) {
        const struct kg_logit_bias *bias = &sampling->logit_bias[i];
        float size = bias->bias < 0 ? -bias->bias : bias->bias;
        char text[KG_JSON_DECIMAL + 16];
        size_t n = kg_format(text, sizeof text, "%u%s", bias->token, bias->bias < 0 ? "-" : "+");
        size_t end = size > 3e38f * 1.1f ? kg_format(text + n, sizeof text - n, "inf")
                                         : kg_json_decimal_text(text + n, sizeof text - n - 1, size);
        text[n + end] = '\0';
        put_kept_word(words, "logit_bias", text);
    }
}

static void put_own(struct words *words, const struct kg_config *config, const struct kg_key *key)
{
    const struct kg_lm_config *lm = &config->lm;
    if (kg_streq(key->name, "logit_bias")) {
        put_biases(words, &config->sampling);
    } else if (kg_streq(key->name, "stop")) {
        put_kept_word(words, key->name, "");
        for (uint32_t i = 0; i < lm->n_stops; i++) {
            put_kept_word(words, key->name, lm->stop[i]);
        }
    } else if (lm->system_given) {
        put_kept_word(words, key->name, lm->system);
    }
}

static void put_key(struct words *words, const struct kg_config *config, const struct kg_key *key)
{
    const void *place = (const char *)config + key->offset;
    char text[KG_JSON_DECIMAL + 1];
    float value;
    switch (key->kind) {
    case KIND_COUNT:
        kg_format(text, sizeof text, "%u", *(const uint32_t *)place);
        put_kept_word(words, key->name, text);
        return;
    case KIND_DECIMAL:
        value = *(const float *)place;
        text[kg_json_decimal_text(text, sizeof text - 1, value)] = '\0';
        put_kept_word(words, key->name, text);
        return;
    case KIND_CHOICE: put_kept_word(words, key->name, key->choices[*(const uint32_t *)place]); return;
    case KIND_TEXT: put_kept_word(words, key->name, place); return;
    case KIND_OWN: put_own(words, config, key); return;
    default: return;
    }
}

size_t kg_lm_words_write(const struct kg_config *config, const uint64_t *seed, char text[KG_LM_WORDS_MAX])
{
    struct words words = {text, 0};
    const struct kg_key *key;
    for (size_t i = 0; (key = kg_key_at(i)); i++) {
        if (decides(key)) {
            put_key(&words, config, key);
        }
    }
    if (seed) {
        char digits[24];
        kg_format(digits, sizeof digits, "%lu", (unsigned long)*seed);
        put_kept_word(&words, "seed", digits);
    }
    return words.n;
}

static bool is_kept_key(const char *name)
{
    const struct kg_key *key;
    for (size_t i = 0; (key = kg_key_at(i)); i++) {
        if (kg_streq(key->name, name)) {
            return decides(key) || kg_streq(name, "seed");
        }
    }
    return false;
}

enum kg_status kg_lm_words_read(struct kg_config *config, const char *text, size_t n, struct kg_error *error)
{
    bool given = config->max_tokens_given;
    char key[32];
    if (n == 0 || text[n - 1] != '\0') {
        return kg_error_set(error, KG_E_INPUT, "the kept settings are damaged");
    }
    config->lm.system_given = false;
    config->lm.system[0] = '\0';
    for (size_t at = 0; at < n; at += kg_strlen(text + at) + 1) {
        size_t i = 0;
        while (text[at + i] && text[at + i] != '=' && i + 1 < sizeof key) {
            key[i] = text[at + i];
            i++;
        }
        key[i] = '\0';
        if (text[at + i] != '=' || !is_kept_key(key)) {
            return kg_error_set(error, KG_E_INPUT, "the kept settings are damaged, or of another version of kgpt");
        }
        enum kg_status status = kg_config_set(config, key, text + at + i + 1, error);
        if (status != KG_OK) {
            return status;
        }
    }
    config->max_tokens_given = given;
    return KG_OK;
}

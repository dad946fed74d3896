/* Settings that outlive a run: with settings=keep, what `set` and /system change is kept, and the next run begins with
 * it. */
#include "lm_memory.h"

#include "app/cmdline/keys.h"
#include "app/events/print.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"

#define NAME "settings"

/* Reads the kept words into the configuration. KG_OK too if there are none yet. */
static enum kg_status take_settings(struct kgpt *k, struct kg_error *error)
{
    struct kg_store *store;
    enum kg_status status = kg_lm_memory_open(k, &store, error);
    const struct kg_store_record *record = status == KG_OK ? kg_store_find(store, KG_STORE_SETTINGS, NAME) : NULL;
    if (!record) {
        return status;
    }
    char *words = record->size <= KG_LM_WORDS_MAX ? kg_arena_take(&k->arena, record->size) : NULL;
    struct kg_config *config = kg_arena_take(&k->arena, sizeof *config);
    if (!words || !config) {
        return kg_error_set(error, KG_E_MEMORY, "too little memory is free to read the kept settings");
    }
    *config = k->config;
    status = kg_store_get(store, record, words, error);
    status = status == KG_OK ? kg_lm_words_read(config, words, record->size, error) : status;
    if (status == KG_OK) {
        k->config = *config;
        kg_lm_grammar_changed(k);
        kg_print("kgpt: the kept settings are in use; %sshow lists them\n", k->lm->loaded.has_chat ? "/" : "");
    }
    return status;
}

static enum kg_status keep_words(struct kgpt *k, const char *words, size_t n, struct kg_error *error)
{
    struct kg_store *store;
    enum kg_status status = kg_lm_memory_open(k, &store, error);
    return status == KG_OK ? kg_store_put(store, KG_STORE_SETTINGS, NAME, words, n, error) : status;
}

void kg_lm_settings_changed(struct kgpt *k)
{
    struct kg_lm *lm = k->lm;
    struct kg_error error = {0};
    size_t used = k->arena.used;
    char *words = lm->keeps_settings ? kg_arena_take(&k->arena, KG_LM_WORDS_MAX) : NULL;
    if (words) {
        size_t n = kg_lm_words_write(&k->config, NULL, words);
        uint32_t crc = kg_crc32(words, n);
        if (crc != lm->settings_crc && keep_words(k, words, n, &error) != KG_OK) {
            kg_say_refused(&error);
        }
        lm->settings_crc = crc; /* what could not be kept is told once */
    }
    kg_arena_rewind(&k->arena, used);
}

void kg_lm_settings_begin(struct kgpt *k)
{
    struct kg_error error = {0};
    size_t used = k->arena.used;
    char *words;
    if (k->config.lm.settings == KG_SETTINGS_RUN) {
        return;
    }
    if (take_settings(k, &error) != KG_OK) {
        kg_say_refused(&error);
    }
    kg_arena_rewind(&k->arena, used);
    words = kg_arena_take(&k->arena, KG_LM_WORDS_MAX);
    if (words) {
        k->lm->settings_crc = kg_crc32(words, kg_lm_words_write(&k->config, NULL, words));
        k->lm->keeps_settings = true;
    }
    kg_arena_rewind(&k->arena, used);
}

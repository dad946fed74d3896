/* Conversations that outlive a run: /save, /load, /forget. */
#include "lm_memory.h"

#include "app/cmdline/keys.h"
#include "app/disks/lm_place.h"

#include "app/events/print.h"

#include "kgpt/date.h"
#include "kgpt/kept.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

enum kg_status kg_lm_memory_open(struct kgpt *k, struct kg_store **store, struct kg_error *error)
{
    static const struct kg_lm_made memory = {kg_store_path, kg_store_magic};
    struct kg_lm_place *place = kg_arena_take(&k->arena, sizeof *place);
    *store = kg_arena_take(&k->arena, sizeof **store);
    if (!place || !*store) {
        return kg_error_set(error, KG_E_MEMORY, "too little memory is free to open the store");
    }
    const char *problem = kg_lm_place_find(k, &memory, place);
    if (problem) {
        kg_error_set(error, KG_E_INPUT, "this machine has no memory for conversations: %s", problem);
        kg_error_hint(error, "kgpt image usb --memory 256M makes a stick with one, kgpt memory make a file");
        return KG_E_INPUT;
    }
    const struct kg_store_medium medium = {
        .context = place,
        .size = place->size,
        .read = kg_lm_place_read,
        .write = kg_lm_place_writable(place) ? kg_lm_place_write : NULL,
    };
    enum kg_status status = kg_store_open(*store, &medium, error);
    uint64_t now = plat_time();
    (*store)->time = kg_date_is_plausible(now) ? now : 0;
    return status;
}

/* Bytes of the arena for a record. */
static uint8_t *take_bytes(struct kgpt *k, uint64_t size, struct kg_error *error)
{
    uint8_t *bytes = kg_arena_take(&k->arena, size);
    if (!bytes) {
        kg_error_set(error, KG_E_MEMORY, "the conversation needs %s of RAM beside itself, and %s are free",
                     kg_amount(size).text, kg_amount(kg_arena_left(&k->arena)).text);
        kg_error_hint(error, "give the machine more memory, or choose a smaller ctx=");
    }
    return bytes;
}

static enum kg_status check_origin(const struct kgpt *k, struct kg_kept_origin *origin, struct kg_error *error)
{
    if (kg_lm_origin(k, &k->lm->sources[k->lm->current], &origin->of)) {
        kg_vocab_hash(&k->lm->loaded.vocab, kg_lm_hash_features(k), origin->vocab);
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "the model came without its SHA-256, by which kept conversations know it");
    kg_error_hint(error, "boot with kgpt run, which gives it");
    return KG_E_INPUT;
}

static enum kg_status save_conversation(struct kgpt *k, const char *name, struct kg_error *error)
{
    const struct kg_conversation *c = &k->lm->conversation;
    const char *text = kg_lm_system(&k->config.lm);
    const struct kg_text system = {text, kg_strlen(text)};
    struct kg_kept_origin origin;
    struct kg_store *store;
    if (c->session.n_past == 0) {
        return kg_error_set(error, KG_E_INPUT, "there is no conversation yet");
    }
    enum kg_status status = check_origin(k, &origin, error);
    status = status == KG_OK ? kg_lm_memory_open(k, &store, error) : status;
    if (status != KG_OK) {
        return status;
    }
    char *words = (char *)take_bytes(k, KG_LM_WORDS_MAX, error);
    if (!words) {
        return KG_E_MEMORY;
    }
    const struct kg_text kept = {words, kg_lm_words_write(&k->config, &c->request.seed, words)};
    uint64_t size = kg_kept_size(c, system, kept);
    uint8_t *bytes = take_bytes(k, size, error);
    if (!bytes) {
        return KG_E_MEMORY;
    }
    kg_kept_write(c, system, kept, &origin, bytes);
    status = kg_store_put(store, KG_STORE_CONVERSATION, name, bytes, size, error);
    if (status == KG_OK) {
        kg_print("kgpt: %s is kept: %u token%s, %s; %s are free\n", name, c->session.n_past,
                 kg_plural(c->session.n_past), kg_amount(size).text, kg_amount(kg_store_free(store)).text);
    }
    return status;
}

static bool resume_is_stopped(void *context)
{
    struct kgpt *k = context;
    return kg_input_stopped(&k->input);
}

static enum kg_status find_record(const struct kg_store *store, const char *name, const struct kg_store_record **record,
                                  struct kg_error *error)
{
    *record = kg_store_find(store, KG_STORE_CONVERSATION, name);
    if (*record) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "no conversation \"%.32s\" is kept", name);
    kg_error_hint(error, "/load lists them");
    return KG_E_INPUT;
}

static void tell_computing(const struct kgpt *k, const struct kg_kept *kept)
{
    const struct kg_lm_options *options = &k->lm->conversation.session.options;
    if (kept->context.n > options->n_ctx || kg_kept_fits(kept, &k->lm->conversation)) {
        return;
    }
    if (kept->foreign) {
        kg_print("kgpt: kept with another model of the same vocabulary: its %u tokens are computed anew\n",
                 kept->context.n);
    } else {
        kg_print("kgpt: kept with kv=%s, and this run has kv=%s: its %u tokens are computed anew\n",
                 kg_kv_names[kept->context.kv], kg_kv_names[options->kv], kept->context.n);
    }
}

/* The settings are read before the conversation changes: damaged ones leave both as they are. */
static enum kg_status resume_conversation(struct kgpt *k, const struct kg_kept *kept, struct kg_error *error)
{
    struct kg_config *config = (struct kg_config *)take_bytes(k, sizeof *config, error);
    if (!config) {
        return KG_E_MEMORY;
    }
    *config = k->config;
    enum kg_status status = kg_lm_words_read(config, kept->settings.data, kept->settings.n, error);
    if (status != KG_OK) {
        return status;
    }
    tell_computing(k, kept);
    status = kg_kept_resume(kept, &k->lm->conversation, resume_is_stopped, k, error);
    if (status == KG_E_CONTEXT) {
        kg_error_hint(error, "boot with a larger ctx=");
    }
    if (status == KG_OK) {
        k->config = *config;
        kg_lm_grammar_changed(k);
    }
    return status;
}

static enum kg_status load_conversation(struct kgpt *k, const char *name, struct kg_error *error)
{
    const struct kg_store_record *record;
    struct kg_kept_origin origin;
    struct kg_store *store;
    struct kg_kept kept;
    uint8_t *bytes;
    enum kg_status status = check_origin(k, &origin, error);
    status = status == KG_OK ? kg_lm_memory_open(k, &store, error) : status;
    status = status == KG_OK ? find_record(store, name, &record, error) : status;
    if (status != KG_OK) {
        return status;
    }
    bytes = take_bytes(k, record->size, error);
    if (!bytes) {
        return KG_E_MEMORY;
    }
    status = kg_store_get(store, record, bytes, error);
    status = status == KG_OK ? kg_kept_open(&kept, bytes, record->size, &k->lm->loaded, &origin, error) : status;
    status = status == KG_OK ? resume_conversation(k, &kept, error) : status;
    if (status == KG_OK) {
        kg_print("kgpt: %s goes on: %u of %u tokens; /history shows them\n", name, kept.context.n,
                 k->lm->conversation.session.options.n_ctx);
    }
    return status;
}

static enum kg_status forget_conversation(struct kgpt *k, const char *name, struct kg_error *error)
{
    const struct kg_store_record *record;
    struct kg_store *store;
    enum kg_status status = kg_lm_memory_open(k, &store, error);
    status = status == KG_OK ? find_record(store, name, &record, error) : status;
    status = status == KG_OK ? kg_store_remove(store, record, error) : status;
    if (status == KG_OK) {
        kg_print("kgpt: %s is forgotten; %s are free\n", name, kg_amount(kg_store_free(store)).text);
    }
    return status;
}

static enum kg_status list_conversations(struct kgpt *k, const char *name, struct kg_error *error)
{
    struct kg_store *store;
    enum kg_status status = kg_lm_memory_open(k, &store, error);
    (void)name;
    if (status != KG_OK) {
        return status;
    }
    uint32_t n = 0;
    for (uint32_t i = 0; i < store->directory.n; i++) {
        const struct kg_store_record *record = &store->directory.records[i];
        if (record->kind == KG_STORE_CONVERSATION) {
            char date[KG_DATE_TEXT];
            kg_date_text(record->time, date);
            kg_print("%-24s %9s  %s\n", record->name, kg_amount(record->size).text, date);
            n++;
        }
    }
    kg_print("kgpt: %u kept, %s are free\n", n, kg_amount(kg_store_free(store)).text);
    return KG_OK;
}

/* Without a name each of the commands lists what is kept. */
static enum kg_next run_on_memory(struct kgpt *k, const char *name,
                                  enum kg_status (*run)(struct kgpt *k, const char *name, struct kg_error *error))
{
    struct kg_error error = {0};
    size_t used = k->arena.used;
    if ((*name ? run : list_conversations)(k, name, &error) != KG_OK) {
        kg_say_refused(&error);
    }
    kg_arena_rewind(&k->arena, used);
    return KG_NEXT_LINE;
}

static enum kg_next run_save(struct kgpt *k, char *arguments)
{
    return run_on_memory(k, arguments, save_conversation);
}

static enum kg_next run_load(struct kgpt *k, char *arguments)
{
    return run_on_memory(k, arguments, load_conversation);
}

static enum kg_next run_forget(struct kgpt *k, char *arguments)
{
    return run_on_memory(k, arguments, forget_conversation);
}

const struct kg_command kg_lm_memory_commands[] = {
    {"save", "[name]", "keep the conversation under a name, beyond the end of the run", run_save, NULL, KG_CHAT},
    {"load", "[name]", "go on with a conversation that was kept; without a name, list them", run_load, NULL, KG_CHAT},
    {"forget", "[name]", "forget a conversation that was kept", run_forget, NULL, KG_CHAT},
    {0},
};

/* The prefill of a model (kgpt/prefill.h): opened with the model, and computed by mode=prefill. */
#include "lm.h"

#include "app/cmdline/keys.h"
#include "app/events/events.h"
#include "app/events/print.h"
#include "app/shell/shell.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

uint32_t kg_lm_hash_features(const struct kgpt *k)
{
    return k->config.cpumask == KG_ISA_C ? 0 : k->info->cpu->features;
}

bool kg_lm_origin(const struct kgpt *k, const struct kg_lm_source *source, struct kg_prefill_origin *origin)
{
    *origin = (struct kg_prefill_origin){0};
    if (!source->sha256) {
        return false;
    }
    memcpy(origin->model, source->sha256, sizeof origin->model);
    kg_sha256(source->chat, source->chat_size, kg_lm_hash_features(k), origin->chat);
    return true;
}

/* A model with a prefill has a known hash: its loader gives it. */
static struct kg_prefill_origin origin_of(const struct kgpt *k, const struct kg_lm_source *source)
{
    struct kg_prefill_origin origin;
    (void)kg_lm_origin(k, source, &origin);
    return origin;
}

enum kg_status kg_lm_open_prefill(struct kgpt *k, const struct kg_lm_source *source, struct kg_error *error)
{
    struct kg_lm_loaded *loaded = &k->lm->loaded;
    k->config.lm.image_system = NULL;
    if (!source->prefill) {
        return kg_lm_load_prefill(loaded, NULL, 0, NULL, error);
    }
    const struct kg_prefill_origin origin = origin_of(k, source);
    enum kg_status status = kg_lm_load_prefill(loaded, source->prefill, source->prefill_size, &origin, error);
    if (status == KG_OK && loaded->prefill.system.n) {
        k->config.lm.image_system = loaded->prefill.system.data;
    }
    return status;
}

void kg_lm_report_prefill(const struct kgpt *k)
{
    const struct kg_prefill *prefill = &k->lm->loaded.prefill;
    const struct kg_lm_options *options = &k->lm->conversation.session.options;
    if (!prefill->n || k->config.mode == KG_MODE_PREFILL) {
        return;
    }
    if (prefill->kv != options->kv) {
        kg_print("kgpt: the prefill has kv=%s and this run kv=%s: system prompts are computed\n",
                 kg_kv_names[prefill->kv], kg_kv_names[options->kv]);
    } else if (prefill->n > options->n_ctx) {
        kg_print("kgpt: the prefill has %u tokens and the context %u: system prompts are computed\n", prefill->n,
                 options->n_ctx);
    } else if (!kg_streq(kg_lm_system(&k->config.lm), prefill->system.data)) {
        kg_print("kgpt: the prefill has another system prompt: this one is computed\n");
    } else {
        kg_print("kgpt: prefill: %u token%s, %s: each chat begins with them\n", prefill->n, kg_plural(prefill->n),
                 kg_amount(prefill->size).text);
    }
}

static bool prefill_is_stopped(void *context)
{
    struct kgpt *k = context;
    return kg_input_stopped(&k->input);
}

static enum kg_status send_prefill(struct kgpt *k, struct kg_text system, struct kg_error *error)
{
    const struct kg_lm_source *source = &k->lm->sources[k->lm->current];
    const struct kg_lm_session *session = &k->lm->conversation.session;
    const struct kg_prefill_origin origin = origin_of(k, source);
    size_t used = k->arena.used;
    uint64_t size = kg_prefill_size(session, system);
    uint8_t *blob = kg_arena_take(&k->arena, size);
    if (!blob) {
        kg_error_set(error, KG_E_MEMORY, "the prefill needs %s of memory, and %s are free", kg_amount(size).text,
                     kg_amount(kg_arena_left(&k->arena)).text);
        kg_error_hint(error, "give the machine more memory, or choose a shorter system prompt");
        return KG_E_MEMORY;
    }
    kg_prefill_write(session, system, &origin, blob);
    kg_print("kgpt: prefill: %u token%s, %s\n", session->n_past, kg_plural(session->n_past), kg_amount(size).text);
    kg_event_blob("prefill", session->n_past, 0, blob, size);
    kg_arena_rewind(&k->arena, used);
    return KG_OK;
}

enum kg_status kg_lm_prefill(struct kgpt *k, struct kg_error *error)
{
    struct kg_conversation *conversation = &k->lm->conversation;
    const char *text = kg_lm_system(&k->config.lm);
    const struct kg_text system = {text, kg_strlen(text)};
    uint32_t n = 0;
    if (!k->lm->loaded.has_chat) {
        kg_error_set(error, KG_E_INPUT, "the model %s has no chat template, so its chats have no beginning to compute",
                     k->lm->loaded.model.name);
        kg_error_hint(error, "build with --chat-template NAME, or without --prefill");
        return KG_E_INPUT;
    }
    enum kg_status status = kg_lm_check_said(k, (struct kg_text){"", 0}, error);
    if (status == KG_OK) {
        status = kg_conversation_encode_beginning(conversation, system, &n, &k->arena, error);
    }
    if (status == KG_OK) {
        status = kg_lm_eval(&conversation->session, conversation->prompt, n, prefill_is_stopped, k, error);
    }
    return status == KG_OK ? send_prefill(k, system, error) : status;
}

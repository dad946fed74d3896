/* The conversation of the console: asks for replies, and refuses texts that a template cannot express. */
#include "app/cmdline/keys.h"
#include "app/lm.h"

#include "kgpt/str.h"

static struct kg_text system_prompt(const struct kg_config *config)
{
    const char *text = kg_lm_system(&config->lm);
    return (struct kg_text){text, kg_strlen(text)};
}

enum kg_status kg_lm_check_said(const struct kgpt *k, struct kg_text message, struct kg_error *error)
{
    const struct kg_lm_loaded *loaded = &k->lm->loaded;
    struct kg_text system = system_prompt(&k->config);
    if (system.n && (loaded->chat.flags & KG_CHAT_SYSTEM_REFUSED)) {
        kg_error_set(error, KG_E_INPUT, "the template of %s takes no system prompt", loaded->model.name);
        kg_error_hint(error, k->lm->chatting ? "do without: /system default" : "leave it out");
        return KG_E_INPUT;
    }
    struct kg_text word = kg_chat_refused(&loaded->chat, system, message);
    if (word.data) {
        kg_error_set(error, KG_E_INPUT, "the template of %s gives \"%.*s\" a meaning that this kernel does not know",
                     loaded->model.name, (int)(word.n < 64 ? word.n : 64), word.data);
        kg_error_hint(error, "say it in other words");
        return KG_E_INPUT;
    }
    return KG_OK;
}

enum kg_status kg_lm_chat_message(struct kgpt *k, const char *text, size_t n, struct kg_error *error)
{
    struct kg_lm_turn turn;
    struct kg_conversation *conversation = &k->lm->conversation;
    const struct kg_text message = {text, n};
    conversation->reply.speed = (struct kg_speed){0};
    enum kg_status status = kg_lm_check_rng(k, error);
    if (status == KG_OK) {
        status = kg_lm_check_said(k, message, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_lm_turn_prepare(&turn, k, KG_MODE_CHAT, message);
    status = kg_conversation_message(conversation, system_prompt(&k->config), message, &turn.ask, error);
    return kg_lm_turn_finish(&turn, status, error);
}

enum kg_status kg_lm_chat_again(struct kgpt *k, struct kg_error *error)
{
    struct kg_lm_turn turn;
    enum kg_status status = kg_lm_check_rng(k, error);
    if (status != KG_OK) {
        return status;
    }
    kg_lm_turn_prepare(&turn, k, KG_MODE_CHAT, (struct kg_text){"", 0});
    return kg_lm_turn_finish(&turn, kg_conversation_again(&k->lm->conversation, &turn.ask, error), error);
}

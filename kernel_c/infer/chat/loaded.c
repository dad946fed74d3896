/* Opens a GGUF file and its chat template: see kgpt/conversation.h. */
#include "kgpt/conversation.h"

#include "kgpt/mem.h"

/* The architecture's name, which kg_lm_identify has recognised. */
static void copy_arch_name(struct kg_lm_loaded *loaded)
{
    struct kg_error error;
    struct kg_text arch = {.data = "", .n = 0};
    (void)kg_gguf_text(&loaded->gguf, "general.architecture", &arch, &error);
    size_t n = arch.n < sizeof loaded->arch ? arch.n : sizeof loaded->arch - 1;
    memcpy(loaded->arch, arch.data, n);
    loaded->arch[n] = '\0';
}

enum kg_status kg_lm_load(struct kg_lm_loaded *loaded, const void *data, uint64_t size, bool interleaved,
                          struct kg_arena *arena, struct kg_error *error)
{
    const struct kg_lm_arch *arch;
    enum kg_status status = kg_gguf_open(&loaded->gguf, data, size, arena, error);
    loaded->gguf.interleaving = loaded->interleaving;
    loaded->gguf.context = loaded->context;
    if (status == KG_OK) {
        status = kg_lm_identify(&loaded->gguf, &arch, error);
    }
    if (status == KG_OK) {
        status = kg_vocab_open(&loaded->vocab, &loaded->gguf, arena, error);
    }
    if (status == KG_OK) {
        status = kg_lm_open(&loaded->model, &loaded->gguf, interleaved, arena, error);
    }
    if (status == KG_OK) {
        copy_arch_name(loaded);
    }
    return status;
}

enum kg_status kg_lm_load_chat(struct kg_lm_loaded *loaded, const void *chat, uint64_t size, struct kg_error *error)
{
    loaded->has_chat = chat != NULL;
    loaded->end_token = KG_NO_TOKEN;
    loaded->end_text[0] = '\0';
    if (!loaded->has_chat) {
        return KG_OK;
    }
    enum kg_status status = kg_chat_open(&loaded->chat, chat, size, error);
    if (status != KG_OK) {
        return status;
    }
    struct kg_text end = loaded->chat.piece[KG_CHAT_END];
    loaded->end_token = kg_chat_end_token(&loaded->chat, &loaded->vocab);
    if (loaded->end_token == KG_NO_TOKEN && end.n && end.n < sizeof loaded->end_text) {
        memcpy(loaded->end_text, end.data, end.n);
        loaded->end_text[end.n] = '\0';
    }
    return KG_OK;
}

enum kg_status kg_lm_load_prefill(struct kg_lm_loaded *loaded, const void *prefill, uint64_t size,
                                  const struct kg_prefill_origin *origin, struct kg_error *error)
{
    loaded->prefill = (struct kg_prefill){0};
    return prefill ? kg_prefill_open(&loaded->prefill, prefill, size, &loaded->model, origin, error) : KG_OK;
}

/* Opens a model where the kernel or the loader has put its file. See lm.h. */
#include "lm.h"

#include "app/run/module.h"

/* Compares a module and its template with their digests, once: opening a model changes the layout of its file. */
static enum kg_status check_source(struct kgpt *k, struct kg_lm_source *source, struct kg_error *error)
{
    uint8_t digest[KG_SHA256_SIZE];
    bool known = false;
    enum kg_status status = KG_OK;
    if (source->file) {
        status = kg_module_check(k, source->file, source->digest, &known, error);
        source->sha256 = known ? source->digest : NULL;
    }
    if (status == KG_OK && source->chat_file) {
        status = kg_module_check(k, source->chat_file, digest, &known, error);
    }
    if (status == KG_OK) {
        source->file = source->chat_file = NULL;
    }
    return status;
}

enum kg_status kg_lm_open_source(struct kgpt *k, struct kg_lm_source *source, struct kg_lm_loaded *loaded,
                                 struct kg_error *error)
{
    enum kg_status status = check_source(k, source, error);
    if (status == KG_OK) {
        status = kg_lm_load(loaded, source->data, source->size, source->interleaved, &k->arena, error);
    }
    if (status != KG_OK) {
        return status;
    }
    source->interleaved = true; /* kg_lm_load interleaves files that are not */
    return kg_lm_load_chat(loaded, source->chat, source->chat_size, error);
}

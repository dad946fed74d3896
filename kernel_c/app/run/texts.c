/* See texts.h. */
#include "texts.h"

#include "app/cmdline/words.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

bool kg_file_is(const struct kg_file *file, const char *kind)
{
    const char *said = kg_word_value(file->words, "kind=");
    size_t n = kg_strlen(kind);
    return said && kg_str_starts(said, kind) && (said[n] == ' ' || !said[n]);
}

enum kg_status kg_text_read(struct kgpt *k, const char *kind, const char **text, struct kg_error *error)
{
    for (size_t i = 0; i < k->info->n_files; i++) {
        const struct kg_file *file = &k->info->files[i];
        if (!kg_file_is(file, kind)) {
            continue;
        }
        char *copy = kg_arena_take(&k->arena, file->size + 1);
        if (!copy) {
            return kg_error_set(error, KG_E_MEMORY, "the %s of %zu bytes does not fit the memory", kind, file->size);
        }
        memcpy(copy, file->data, file->size);
        copy[file->size] = '\0';
        if (kg_strlen(copy) != file->size) {
            return kg_error_set(error, KG_E_INPUT, "the %s is not text: it holds a NUL", kind);
        }
        *text = copy;
    }
    return KG_OK;
}

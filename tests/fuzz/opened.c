/* Caches opened models: see opened.h. */
#include "opened.h"

#include "checked_arena.h"
#include "promise.h"

#define MOST_FILES 2

static struct file {
    const void *data;
    struct kg_gguf gguf;
    struct kg_vocab vocab;
    struct kg_lm_model model[2]; /* before and after its matrices are interleaved */
    struct checked_pieces of_gguf, of_vocab, of_model[2];
    bool has_gguf, has_vocab, has_model[2];
} files[MOST_FILES];

static struct file *file_of(const void *data)
{
    for (size_t i = 0; i < MOST_FILES; i++) {
        if (!files[i].data || files[i].data == data) {
            files[i].data = data;
            return &files[i];
        }
    }
    promise(!"there are more files than that");
    return NULL;
}

enum kg_status opened_gguf(struct kg_gguf *gguf, const void *data, uint64_t size, struct kg_arena *arena,
                           struct kg_error *error)
{
    struct file *file = file_of(data);
    if (file->has_gguf) {
        checked_arena_repeat(&file->of_gguf, arena);
    } else {
        size_t used = arena->used;
        promise(kg_gguf_open(&file->gguf, data, size, arena, error) == KG_OK);
        checked_arena_learn(&file->of_gguf, arena, used);
        file->has_gguf = true;
    }
    *gguf = file->gguf;
    return KG_OK;
}

enum kg_status opened_vocab(struct kg_vocab *vocab, const struct kg_gguf *gguf, struct kg_arena *arena,
                            struct kg_error *error)
{
    struct file *file = file_of(gguf->base);
    if (file->has_vocab) {
        checked_arena_repeat(&file->of_vocab, arena);
    } else {
        size_t used = arena->used;
        promise(kg_vocab_open(&file->vocab, gguf, arena, error) == KG_OK);
        checked_arena_learn(&file->of_vocab, arena, used);
        file->has_vocab = true;
    }
    *vocab = file->vocab;
    return KG_OK;
}

enum kg_status opened_lm(struct kg_lm_model *model, const struct kg_gguf *gguf, bool interleaved,
                         struct kg_arena *arena, struct kg_error *error)
{
    struct file *file = file_of(gguf->base);
    if (file->has_model[interleaved]) {
        checked_arena_repeat(&file->of_model[interleaved], arena);
    } else {
        size_t used = arena->used;
        promise(kg_lm_open(&file->model[interleaved], gguf, interleaved, arena, error) == KG_OK);
        checked_arena_learn(&file->of_model[interleaved], arena, used);
        file->has_model[interleaved] = true;
    }
    *model = file->model[interleaved];
    return KG_OK;
}

/* Memory for models that come and go while the kernel runs: see lm_region.h. */
#include "lm_region.h"

#include "app/events/print.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

static size_t aligned_end(const struct kg_lm *lm)
{
    return lm->arena_end / KG_ARENA_ALIGN * KG_ARENA_ALIGN;
}

/* The arena ends where the lowest region begins. */
static void set_arena_end(struct kgpt *k)
{
    struct kg_lm *lm = k->lm;
    size_t end = lm->arena_end;
    for (uint32_t i = 0; i < lm->n_sources; i++) {
        if (lm->sources[i].region_size && lm->sources[i].region < end) {
            end = lm->sources[i].region;
        }
    }
    k->arena.size = end;
}

/* True if no region overlaps `bytes` at `start`. */
static bool is_free(const struct kgpt *k, size_t start, size_t bytes)
{
    const struct kg_lm *lm = k->lm;
    for (uint32_t i = 0; i < lm->n_sources; i++) {
        const struct kg_lm_source *source = &lm->sources[i];
        if (source->region_size && start < source->region + source->region_size && source->region < start + bytes) {
            return false;
        }
    }
    return start >= k->arena.used;
}

/* The highest place for a region of `bytes`, a multiple of the alignment. False: there is none. */
static bool find_region(const struct kgpt *k, size_t bytes, size_t *start)
{
    const struct kg_lm *lm = k->lm;
    bool found = false;
    for (uint32_t i = 0; i <= lm->n_sources; i++) { /* ends at the arena's end, or where a region begins */
        bool region = i < lm->n_sources && lm->sources[i].region_size;
        size_t end = i == lm->n_sources ? aligned_end(lm) : region ? lm->sources[i].region : 0;
        if (bytes <= end && is_free(k, end - bytes, bytes) && (!found || end - bytes > *start)) {
            *start = end - bytes;
            found = true;
        }
    }
    return found;
}

uint64_t kg_lm_room(const struct kgpt *k)
{
    size_t low = 0, high = k->lm->arena_end / KG_ARENA_ALIGN, start;
    while (low < high) { /* the largest region that finds a place */
        size_t middle = low + (high - low + 1) / 2;
        if (find_region(k, middle * KG_ARENA_ALIGN, &start)) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    return (uint64_t)low * KG_ARENA_ALIGN;
}

/* The parts of a region: the model, its template, its name. */
struct layout {
    size_t start, model_bytes, chat_bytes, bytes;
};

static enum kg_status lay_out_region(const struct kgpt *k, const struct kg_lm_bringer *bringer, struct layout *layout,
                                     struct kg_error *error)
{
    uint64_t size = bringer->size, chat_size = bringer->chat_size;
    layout->model_bytes = kg_arena_cost(size);
    layout->chat_bytes = kg_arena_cost(chat_size);
    uint64_t room = kg_lm_room(k), name = kg_arena_cost(kg_strlen(bringer->name) + 1);
    if (size > room || chat_size > room || layout->model_bytes + layout->chat_bytes + name > room) {
        kg_error_set(error, KG_E_MEMORY, "%.160s needs %s of memory, and %s are free", bringer->name,
                     kg_amount(size > UINT64_MAX - chat_size ? size : size + chat_size).text, kg_amount(room).text);
        kg_error_hint(error, "\"unload\" gives memory back, and a smaller ctx= leaves more");
        return KG_E_MEMORY;
    }
    layout->bytes = layout->model_bytes + layout->chat_bytes + name;
    return find_region(k, layout->bytes, &layout->start) ? KG_OK : KG_E_MEMORY;
}

#define LEAST_CTX 256u /* positions: a model that has no room for so many is refused */

/* Refuses a model that leaves no room for a context when it is in use, in place of the present one. `tables`: bytes
 * that it takes beside its file. */
static enum kg_status check_context_room(struct kgpt *k, const struct kg_lm_source *source,
                                         const struct kg_lm_loaded *loaded, size_t tables, struct kg_error *error)
{
    const struct kg_lm *lm = k->lm;
    const struct kg_speculation_options none = {0};
    struct kg_arena counted = kg_arena_counting();
    struct kg_conversation *c = kg_arena_take(&k->arena, sizeof *c);
    uint32_t n_ctx = loaded->model.n_ctx_train < LEAST_CTX ? loaded->model.n_ctx_train : LEAST_CTX;
    const struct kg_lm_options options = {.n_ctx = n_ctx, .n_batch = 1, .kv = KG_KV_F16, .n_logits = 1};
    if (!c) {
        return kg_error_set(error, KG_E_MEMORY, "the memory is too small to open the model");
    }
    kg_conversation_carve(c, loaded, &lm->ops, &lm->workers, &options, &none, &counted);
    uint64_t room = k->arena.size - lm->base, needs = counted.peak + tables;
    if (needs <= room) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_MEMORY, "%.120s needs %s of memory, and %s for a context of %u tokens: %s are left",
                 source->place, kg_amount(source->size).text, kg_amount(needs).text, n_ctx, kg_amount(room).text);
    kg_error_hint(error, "give the machine more memory, or \"unload\" a model");
    return KG_E_MEMORY;
}

/* Opens it as if to use it, above what is in use: a file that cannot be used is refused now. */
static enum kg_status open_once(struct kgpt *k, struct kg_lm_source *source, struct kg_error *error)
{
    size_t used = k->arena.used;
    struct kg_lm_loaded *loaded = kg_arena_take(&k->arena, sizeof *loaded);
    enum kg_status status = loaded ? kg_lm_open_source(k, source, loaded, error)
                                   : kg_error_set(error, KG_E_MEMORY, "the memory is too small to open the model");
    if (status == KG_OK) {
        status = check_context_room(k, source, loaded, k->arena.used - used, error);
    }
    kg_arena_rewind(&k->arena, used);
    return status;
}

enum kg_status kg_lm_check_hash(const struct kg_lm_source *source, const uint8_t *stated, const char *by,
                                struct kg_error *error)
{
    const uint8_t *is = source->digest;
    if (stated && memcmp(stated, is, sizeof source->digest) != 0) {
        kg_error_set(error, KG_E_INPUT, "%.160s is damaged: its SHA-256 is %02x%02x%02x%02x…, not %02x%02x%02x%02x…",
                     source->place, is[0], is[1], is[2], is[3], stated[0], stated[1], stated[2], stated[3]);
        kg_error_hint(error, "copy it again; the models in memory stay as they are");
        return KG_E_INPUT;
    }
    kg_print(stated ? "kgpt: SHA-256 %02x%02x%02x%02x…, as the %s states it\n"
                    : "kgpt: SHA-256 %02x%02x%02x%02x…; the %s states none\n",
             is[0], is[1], is[2], is[3], by);
    return KG_OK;
}

enum kg_status kg_lm_bring(struct kgpt *k, const struct kg_lm_bringer *bringer, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    struct layout layout;
    enum kg_status status = lay_out_region(k, bringer, &layout, error);
    if (status != KG_OK) {
        return status;
    }
    uint8_t *model = k->arena.base + layout.start, *chat = model + layout.model_bytes;
    char *name = (char *)chat + layout.chat_bytes;
    size_t n = kg_strlen(bringer->name), end = layout.start + layout.bytes;
    memcpy(name, bringer->name, n + 1);
    kg_utf8_printable(name, n, false);
    struct kg_lm_source *source = &lm->sources[lm->n_sources];
    *source = (struct kg_lm_source){.place = name, .data = model, .size = bringer->size};
    source->region = layout.start;
    source->region_size = layout.bytes;
    k->arena.dirty = k->arena.dirty > end ? k->arena.dirty : end;
    lm->n_sources++; /* from here on the arena ends before the region */
    set_arena_end(k);
    size_t used = k->arena.used;
    status = bringer->read_model(bringer->context, source, model, error);
    source->sha256 = source->digest;
    kg_arena_rewind(&k->arena, used); /* what arranging took */
    if (status == KG_OK && bringer->chat_size) {
        status = bringer->read_chat(bringer->context, chat, error);
        source->chat = chat;
        source->chat_size = bringer->chat_size;
    }
    status = status == KG_OK ? open_once(k, source, error) : status;
    if (status != KG_OK) {
        lm->n_sources--;
        set_arena_end(k);
    }
    return status;
}

enum kg_status kg_lm_may_bring(const struct kgpt *k, struct kg_error *error)
{
    if (k->lm->n_sources < KG_MAX_MODELS) {
        return KG_OK;
    }
    kg_error_set(error, KG_E_INPUT, "there are %d models in memory already", KG_MAX_MODELS);
    kg_error_hint(error, "unload one");
    return KG_E_INPUT;
}

/* The digest of a model from a disk lies in its source. */
static void move_source(struct kg_lm *lm, uint32_t from, uint32_t to)
{
    struct kg_lm_source *source = &lm->sources[to];
    bool own = lm->sources[from].sha256 == lm->sources[from].digest;
    *source = lm->sources[from];
    source->sha256 = own ? source->digest : source->sha256;
}

enum kg_status kg_lm_unload(struct kgpt *k, uint32_t index, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    const struct kg_lm_source *source = &lm->sources[index];
    if (index == lm->current || !source->region_size) {
        kg_error_set(error, KG_E_INPUT,
                     index == lm->current ? "the model %u is in use" : "the model %u came with the kernel", index + 1);
        kg_error_hint(error, index == lm->current ? "use another one before" : "its memory cannot be given back");
        return KG_E_INPUT;
    }
    kg_print("kgpt: %.160s: %s of memory are free again\n", source->place, kg_amount(source->region_size).text);
    lm->n_sources--;
    for (uint32_t i = index; i < lm->n_sources; i++) {
        move_source(lm, i + 1, i);
    }
    lm->current -= lm->current > index;
    set_arena_end(k);
    return KG_OK;
}

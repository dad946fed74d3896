/* Models come from disks and go while the kernel runs. Each has a region of memory at the end of the arena, which
 * becomes so much shorter. A region that is given back is used again, or the arena becomes longer. */
#include "lm_walk.h"

#include "app/events/print.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
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

/* What `load` was asked for. */
struct wanted {
    uint64_t number; /* 0: by name */
    const char *name;
};

static bool visit_wanted(struct kg_lm_walk *walk)
{
    const struct wanted *wanted = walk->context;
    const char *base = walk->path, *p;
    for (p = walk->path; *p; p++) {
        base = *p == '/' ? p + 1 : base;
    }
    bool named =
        kg_streq(wanted->name, walk->path) || kg_streq(wanted->name, walk->path + 1) || kg_streq(wanted->name, base);
    return wanted->number ? walk->number == wanted->number : named;
}

/* The chat template beside the model: NAME.kgct for NAME.gguf. False: there is none. */
static bool find_template(struct kg_lm_walk *walk, struct kg_fs_file *file)
{
    char path[KG_LM_PATH];
    struct kg_fs_entry *entry = &walk->entries[KG_LM_WALK_DEPTH - 1];
    size_t n = kg_strlen(walk->path) - 4;
    memcpy(path, walk->path, n);
    memcpy(path + n, "kgct", 5);
    return kg_fs_find(&walk->fs, path, entry, file) == KG_OK && !file->directory && file->size > 0;
}

/* The parts of a region: the model, its template, its name. */
struct layout {
    struct kg_fs_file file, chat;
    uint64_t chat_size;
    size_t model_bytes, chat_bytes, bytes;
};

static enum kg_status lay_out_region(const struct kgpt *k, struct kg_lm_walk *walk, struct layout *layout,
                                     size_t *start, struct kg_error *error)
{
    layout->file = *walk->file;
    layout->chat_size = find_template(walk, &layout->chat) ? layout->chat.size : 0;
    layout->model_bytes = kg_arena_cost(layout->file.size);
    layout->chat_bytes = kg_arena_cost(layout->chat_size);
    uint64_t room = kg_lm_room(k), name = kg_arena_cost(kg_strlen(walk->path) + 1);
    if (layout->file.size > room || layout->chat_size > room ||
        layout->model_bytes + layout->chat_bytes + name > room) {
        kg_error_set(error, KG_E_MEMORY, "%.160s needs %s of memory, and %s are free", walk->path,
                     kg_amount(layout->file.size + layout->chat_size).text, kg_amount(room).text);
        kg_error_hint(error, "\"unload\" gives memory back, and a smaller ctx= leaves more");
        return KG_E_MEMORY;
    }
    layout->bytes = layout->model_bytes + layout->chat_bytes + name;
    return find_region(k, layout->bytes, start) ? KG_OK : KG_E_MEMORY;
}

/* Opens it as if to use it, above what is in use: a file that cannot be used is refused now. */
static enum kg_status open_once(struct kgpt *k, struct kg_lm_source *source, struct kg_error *error)
{
    size_t used = k->arena.used;
    struct kg_lm_loaded *loaded = kg_arena_take(&k->arena, sizeof *loaded);
    enum kg_status status = loaded ? kg_lm_open_source(k, source, loaded, error)
                                   : kg_error_set(error, KG_E_MEMORY, "the memory is too small to open the model");
    kg_arena_rewind(&k->arena, used);
    return status;
}

static enum kg_status load_found(struct kgpt *k, struct kg_lm_walk *walk, struct kg_error *error)
{
    struct kg_lm *lm = k->lm;
    struct layout layout;
    size_t start;
    enum kg_status status = lay_out_region(k, walk, &layout, &start, error);
    if (status != KG_OK) {
        return status;
    }
    uint8_t *model = k->arena.base + start, *chat = model + layout.model_bytes;
    char *name = (char *)chat + layout.chat_bytes;
    size_t n = kg_strlen(walk->path);
    memcpy(name, walk->path, n + 1);
    kg_utf8_printable(name, n, false);
    struct kg_lm_source *source = &lm->sources[lm->n_sources];
    *source = (struct kg_lm_source){.place = name, .data = model, .size = layout.file.size};
    source->region = start;
    source->region_size = layout.bytes;
    k->arena.dirty = k->arena.dirty > start + layout.bytes ? k->arena.dirty : start + layout.bytes;
    status = kg_lm_read_file(k, &layout.file, name, model, error);
    if (status == KG_OK && layout.chat_size) {
        status = kg_lm_read_file(k, &layout.chat, "its chat template", chat, error);
        source->chat = chat;
        source->chat_size = layout.chat_size;
    }
    if (status != KG_OK) {
        return status;
    }
    lm->n_sources++; /* from here on the arena ends before the region */
    set_arena_end(k);
    status = open_once(k, source, error);
    if (status != KG_OK) {
        lm->n_sources--;
        set_arena_end(k);
    }
    return status;
}

enum kg_status kg_lm_load_file(struct kgpt *k, const char *name, struct kg_error *error)
{
    struct wanted wanted = {0, name};
    size_t used = k->arena.used;
    if (k->lm->n_sources == KG_MAX_MODELS) {
        kg_error_set(error, KG_E_INPUT, "there are %d models in memory already", KG_MAX_MODELS);
        kg_error_hint(error, "unload one");
        return KG_E_INPUT;
    }
    if (!kg_parse_u64(name, &wanted.number)) {
        wanted.number = 0;
    }
    struct kg_lm_walk *walk = kg_arena_take(&k->arena, sizeof *walk);
    if (!walk) {
        return kg_error_set(error, KG_E_MEMORY, "no memory is left to look at disks");
    }
    walk->visit = visit_wanted;
    walk->context = &wanted;
    enum kg_status status = KG_E_INPUT;
    if (kg_lm_walk(walk)) {
        status = load_found(k, walk, error);
    } else {
        kg_error_set(error, KG_E_INPUT, "no disk has the model \"%.160s\"", name);
        kg_error_hint(error, "\"models\" lists what disks have");
    }
    kg_arena_rewind(&k->arena, used);
    return status;
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
        lm->sources[i] = lm->sources[i + 1];
    }
    lm->current -= lm->current > index;
    set_arena_end(k);
    return KG_OK;
}

/* A line of `models` for a file. */
static bool visit_listed(struct kg_lm_walk *walk)
{
    const struct kgpt *k = walk->context;
    char part[24] = "";
    size_t n = kg_strlen(walk->path);
    uint64_t size = walk->file->size;
    if (walk->number == 1) {
        kg_print("on disks%s:\n", k->lm->chatting ? "; the shell can load them" : ", for \"load\"");
    }
    if (walk->part) {
        kg_format(part, sizeof part, " partition %u", walk->part);
    }
    kg_utf8_printable(walk->path, n, false);
    kg_print("  %u  %.700s, %s, on %s%s (%s)%s\n", walk->number, walk->path, kg_amount(size).text,
             walk->unit->block.name, part, walk->fs.type, size > kg_lm_room(k) ? ", more than the free memory" : "");
    return false;
}

void kg_lm_print_disks(struct kgpt *k)
{
    size_t used = k->arena.used;
    struct kg_lm_walk *walk = kg_arena_take(&k->arena, sizeof *walk);
    if (walk) {
        walk->visit = visit_listed;
        walk->context = k;
        walk->tell = true;
        kg_lm_walk(walk);
    }
    kg_arena_rewind(&k->arena, used);
}

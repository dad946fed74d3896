/* Models come from disks and go while the kernel runs. Each has a region of memory at the end of the arena, which
 * becomes so much shorter. A region that is given back is used again, or the arena becomes longer. */
#include "lm_read.h"
#include "lm_stated.h"

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
    struct kg_fs_entry *entry = &walk->entries[KG_LM_WALK_DEPTH];
    size_t n = kg_strlen(walk->path) - 4;
    memcpy(path, walk->path, n);
    memcpy(path + n, "kgct", 5);
    return kg_fs_find(&walk->fs, path, entry, file) == KG_OK && !file->directory && file->size > 0;
}

/* The parts of a region: the model, its template, its name. */
struct layout {
    struct kg_fs_file file, chat;
    uint64_t size, chat_size;
    size_t model_bytes, chat_bytes, bytes;
};

static enum kg_status lay_out_region(const struct kgpt *k, struct kg_lm_walk *walk, struct layout *layout,
                                     size_t *start, struct kg_error *error)
{
    layout->file = *walk->file;
    layout->size = walk->size;
    layout->chat_size = find_template(walk, &layout->chat) ? layout->chat.size : 0;
    layout->model_bytes = kg_arena_cost(layout->size);
    layout->chat_bytes = kg_arena_cost(layout->chat_size);
    uint64_t room = kg_lm_room(k), name = kg_arena_cost(kg_strlen(walk->path) + 1);
    if (layout->size > room || layout->chat_size > room || layout->model_bytes + layout->chat_bytes + name > room) {
        kg_error_set(error, KG_E_MEMORY, "%.160s needs %s of memory, and %s are free", walk->path,
                     kg_amount(layout->size + layout->chat_size).text, kg_amount(room).text);
        kg_error_hint(error, "\"unload\" gives memory back, and a smaller ctx= leaves more");
        return KG_E_MEMORY;
    }
    layout->bytes = layout->model_bytes + layout->chat_bytes + name;
    return find_region(k, layout->bytes, start) ? KG_OK : KG_E_MEMORY;
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

/* Reads the model, or its parts, and compares it with what the disk states of it. */
static enum kg_status read_checked_model(struct kgpt *k, struct kg_lm_walk *walk, struct layout *layout,
                                         struct kg_lm_source *source, uint8_t *to, struct kg_error *error)
{
    struct kg_lm_read read;
    struct kg_lm_arrange arrange;
    uint8_t stated[KG_SHA256_SIZE];
    bool known = kg_lm_stated_hash(k, walk, stated);
    enum kg_status status = KG_OK;
    kg_lm_arrange_begin(&arrange, k, to, layout->size);
    kg_lm_read_begin(&read, k, walk, source->place, layout->size, to, &arrange);
    for (uint32_t i = 1; i <= (walk->parts ? walk->parts : 1) && status == KG_OK; i++) {
        if (walk->parts && (!kg_lm_find_part(walk, i, &layout->file) || layout->file.size > layout->size - read.done)) {
            return kg_error_set(error, KG_E_INPUT, "%.160s: its part %u cannot be found any more", source->place, i);
        }
        status = kg_lm_read_add(&read, &layout->file, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_lm_read_end(&read, source->digest);
    source->interleaved = kg_lm_arrange_done(&arrange);
    if (known && memcmp(stated, source->digest, sizeof stated) != 0) {
        kg_error_set(error, KG_E_INPUT, "%.160s is damaged: its SHA-256 is %02x%02x%02x%02x…, not %02x%02x%02x%02x…",
                     source->place, source->digest[0], source->digest[1], source->digest[2], source->digest[3],
                     stated[0], stated[1], stated[2], stated[3]);
        kg_error_hint(error, "copy it again; the models in memory stay as they are");
        return KG_E_INPUT;
    }
    kg_print("kgpt: SHA-256 %02x%02x%02x%02x%s\n", source->digest[0], source->digest[1], source->digest[2],
             source->digest[3], known ? "…, as the disk states it" : "…; the disk states none");
    return KG_OK;
}

static enum kg_status read_chat_template(struct kgpt *k, const struct kg_lm_walk *walk, struct layout *layout,
                                         uint8_t *to, struct kg_error *error)
{
    struct kg_lm_read read;
    uint8_t unused[KG_SHA256_SIZE];
    kg_lm_read_begin(&read, k, walk, "its chat template", layout->chat_size, to, NULL);
    enum kg_status status = kg_lm_read_add(&read, &layout->chat, error);
    if (status == KG_OK) {
        kg_lm_read_end(&read, unused);
    }
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
    *source = (struct kg_lm_source){.place = name, .data = model, .size = layout.size};
    source->region = start;
    source->region_size = layout.bytes;
    k->arena.dirty = k->arena.dirty > start + layout.bytes ? k->arena.dirty : start + layout.bytes;
    lm->n_sources++; /* from here on the arena ends before the region */
    set_arena_end(k);
    size_t used = k->arena.used;
    status = read_checked_model(k, walk, &layout, source, model, error);
    source->sha256 = source->digest;
    kg_arena_rewind(&k->arena, used); /* what arranging took */
    if (status == KG_OK && layout.chat_size) {
        status = read_chat_template(k, walk, &layout, chat, error);
        source->chat = chat;
        source->chat_size = layout.chat_size;
    }
    status = status == KG_OK ? open_once(k, source, error) : status;
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

#define PEEKED 1024u /* bytes of a file that tell its type */

/* Architecture and type; "": its first bytes do not tell them. */
static void peek_type(struct kg_lm_walk *walk, char *out, size_t size)
{
    uint8_t bytes[PEEKED];
    size_t n = walk->file->size < sizeof bytes ? (size_t)walk->file->size : sizeof bytes;
    kg_gguf_peek(bytes, kg_fs_read(walk->file, 0, n, bytes) ? n : 0, out, size);
    kg_utf8_printable(out, kg_strlen(out), false);
}

/* A line of `models` for a file. */
static bool visit_listed(struct kg_lm_walk *walk)
{
    const struct kgpt *k = walk->context;
    char part[24] = "", type[64], parts[24] = "";
    size_t n = kg_strlen(walk->path);
    uint64_t size = walk->size;
    if (walk->number == 1) {
        kg_print("on disks%s:\n", k->lm->chatting ? "; the shell can load them" : ", for \"load\"");
    }
    if (walk->part) {
        kg_format(part, sizeof part, " partition %u", walk->part);
    }
    if (walk->parts) {
        kg_format(parts, sizeof parts, " in %u part%s", walk->parts, kg_plural(walk->parts));
    }
    peek_type(walk, type, sizeof type);
    kg_utf8_printable(walk->path, n, false);
    kg_print("  %u  %.700s, %s%s%s%s, on %s%s (%s)%s\n", walk->number, walk->path, kg_amount(size).text, parts,
             *type ? ", " : "", type, walk->unit->block.name, part, walk->fs.type,
             size > kg_lm_room(k) ? ", more than the free memory" : "");
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

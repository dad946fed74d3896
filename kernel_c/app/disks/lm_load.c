/* Models from disks: they are listed, and one is read. */
#include "lm_read.h"
#include "lm_region.h"
#include "lm_remote.h"
#include "lm_stated.h"

#include "app/events/print.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

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

/* A model that is read from a disk. */
struct from_disk {
    struct kgpt *k;
    struct kg_lm_walk *walk;
    struct kg_fs_file file, chat;
};

/* Reads the model, or its parts, and compares it with what the disk states of it. */
static enum kg_status read_checked_model(void *context, struct kg_lm_source *source, uint8_t *to,
                                         struct kg_error *error)
{
    struct from_disk *from = context;
    struct kg_lm_walk *walk = from->walk;
    struct kg_lm_read read;
    struct kg_lm_arrange arrange;
    uint8_t stated[KG_SHA256_SIZE];
    bool known = kg_lm_stated_hash(from->k, walk, stated);
    enum kg_status status = KG_OK;
    kg_lm_arrange_begin(&arrange, from->k, to, source->size);
    kg_lm_read_begin(&read, from->k, source->place, source->size, to, &arrange);
    for (uint32_t i = 1; i <= (walk->parts ? walk->parts : 1) && status == KG_OK; i++) {
        if (walk->parts && (!kg_lm_find_part(walk, i, &from->file) || from->file.size > source->size - read.done)) {
            return kg_error_set(error, KG_E_INPUT, "%.160s: its part %u cannot be found any more", source->place, i);
        }
        status = kg_lm_read_add(&read, walk->unit, &from->file, error);
    }
    if (status != KG_OK) {
        return status;
    }
    kg_lm_read_end(&read, source->digest);
    source->interleaved = kg_lm_arrange_done(&arrange);
    return kg_lm_check_hash(source, known ? stated : NULL, "disk", error);
}

static enum kg_status read_chat_template(void *context, uint8_t *to, struct kg_error *error)
{
    struct from_disk *from = context;
    struct kg_lm_read read;
    uint8_t unused[KG_SHA256_SIZE];
    kg_lm_read_begin(&read, from->k, "its chat template", from->chat.size, to, NULL);
    enum kg_status status = kg_lm_read_add(&read, from->walk->unit, &from->chat, error);
    if (status == KG_OK) {
        kg_lm_read_end(&read, unused);
    }
    return status;
}

static enum kg_status load_found(struct kgpt *k, struct kg_lm_walk *walk, struct kg_error *error)
{
    struct from_disk from = {.k = k, .walk = walk, .file = *walk->file};
    bool has_chat = find_template(walk, &from.chat);
    const struct kg_lm_bringer bringer = {.context = &from,
                                          .name = walk->path,
                                          .size = walk->size,
                                          .chat_size = has_chat ? from.chat.size : 0,
                                          .read_model = read_checked_model,
                                          .read_chat = read_chat_template};
    return kg_lm_bring(k, &bringer, error);
}

static enum kg_status load_from_disk(struct kgpt *k, const char *name, struct kg_error *error)
{
    struct wanted wanted = {0, name};
    if (!kg_parse_u64(name, &wanted.number)) {
        wanted.number = 0;
    }
    struct kg_lm_walk *walk = kg_arena_take(&k->arena, sizeof *walk);
    if (!walk) {
        return kg_error_set(error, KG_E_MEMORY, "no memory is left to look at disks");
    }
    walk->visit = visit_wanted;
    walk->context = &wanted;
    if (kg_lm_walk(walk)) {
        return load_found(k, walk, error);
    }
    kg_error_set(error, KG_E_INPUT, "no disk has the model \"%.160s\"", name);
    kg_error_hint(error, "\"models\" lists what disks have");
    return KG_E_INPUT;
}

enum kg_status kg_lm_load_file(struct kgpt *k, const char *name, struct kg_error *error)
{
    size_t used = k->arena.used;
    enum kg_status status = kg_lm_may_bring(k, error);
    if (status == KG_OK) {
        status = kg_str_has_scheme(name) ? kg_lm_load_url(k, name, error) : load_from_disk(k, name, error);
    }
    kg_arena_rewind(&k->arena, used);
    return status;
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

/* GGUF files on disks: they are found, and one is read. See lm_walk.h. */
#include "lm_walk.h"

#include "app/events/print.h"
#include "app/events/statusline.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define MOST_ENTRIES 20000u /* of one file system, so that a damaged one ends */
#define STEP (8u << 20)     /* bytes of one read */

/* Whole sectors go straight to their place; the rest goes through one sector. */
static bool read_sectors_of(void *context, uint64_t offset, size_t n, void *to)
{
    struct kg_lm_walk *walk = context;
    uint32_t sector = walk->unit->block.sector_size;
    uint8_t *bytes = to;
    while (n > 0) {
        uint32_t within = (uint32_t)(offset % sector);
        size_t part = n - n % sector;
        if (within == 0 && part > 0 && (uintptr_t)bytes % 4 == 0) {
            if (!kg_block_read(walk->unit, offset / sector, part / sector, bytes)) {
                return false;
            }
        } else {
            part = sector - within < n ? sector - within : n;
            if (!kg_block_read(walk->unit, offset / sector, 1, walk->sector)) {
                return false;
            }
            memcpy(bytes, walk->sector + within, part);
        }
        bytes += part;
        offset += part;
        n -= part;
    }
    return true;
}

static bool is_gguf(const char *name)
{
    size_t n = kg_strlen(name);
    const char *end = n > 5 ? name + n - 5 : "";
    return end[0] == '.' && (end[1] | 32) == 'g' && (end[2] | 32) == 'g' && (end[3] | 32) == 'u' &&
           (end[4] | 32) == 'f';
}

/* Visits the files below a directory, whose path is the first `n` bytes of walk->path. Returns true when `visit` has
 * returned true. */
static bool walk_files(struct kg_lm_walk *walk, struct kg_fs_file *directory, size_t n, uint32_t depth)
{
    struct kg_fs_entry *entry = &walk->entries[depth];
    struct kg_extent extent;
    uint64_t position = 0;
    while (walk->n_entries < MOST_ENTRIES && kg_fs_next(directory, &position, entry) == KG_FS_ENTRY) {
        size_t length = kg_strlen(entry->name);
        walk->n_entries++;
        if (n + 1 + length >= sizeof walk->path) {
            continue;
        }
        walk->path[n] = '/';
        memcpy(walk->path + n + 1, entry->name, length + 1);
        if (entry->file.directory) {
            if (depth + 1 < KG_LM_WALK_DEPTH && walk_files(walk, &entry->file, n + 1 + length, depth + 1)) {
                return true;
            }
        } else if (is_gguf(entry->name) && (entry->file.size || kg_fs_extent(&entry->file, 0, &extent))) {
            walk->file = &entry->file; /* ext4 knows the size from the extent on */
            walk->number++;
            if (walk->visit(walk)) {
                return true;
            }
        }
    }
    return false;
}

static bool walk_part(struct kg_lm_walk *walk, const struct kg_part *part)
{
    struct kg_fs_file root;
    walk->part = part->number;
    walk->n_entries = 0;
    if (kg_fs_open(&walk->fs, &walk->disk, part->first, part->size) != KG_OK) {
        if (walk->tell && *walk->fs.type) {
            kg_print("     %s partition %u, %s: %s\n", walk->unit->block.name, part->number, walk->fs.type,
                     walk->fs.problem);
        }
        return false;
    }
    if (walk->visit_file_system) {
        return walk->visit_file_system(walk);
    }
    kg_fs_root(&walk->fs, &root);
    return walk_files(walk, &root, 0, 0);
}

bool kg_lm_walk(struct kg_lm_walk *walk)
{
    struct kg_parts parts;
    struct kg_part part;
    walk->number = 0;
    for (uint32_t i = 0; (walk->unit = kg_unit_find(KG_UNIT_BLOCK, i)) != NULL; i++) {
        const struct kg_block *block = &walk->unit->block;
        if (block->sector_size > sizeof walk->sector) {
            continue;
        }
        walk->disk = (struct kg_disk){walk, read_sectors_of, block->sectors * block->sector_size, block->sector_size};
        kg_parts_open(&parts, &walk->disk);
        if (parts.kind == KG_PARTS_NONE) {
            part = (struct kg_part){.size = walk->disk.size};
            if (walk_part(walk, &part)) {
                return true;
            }
        }
        for (uint32_t j = 0; kg_parts_get(&parts, j, &part); j++) {
            if (walk_part(walk, &part)) {
                return true;
            }
        }
    }
    return false;
}

/* Reads the file in steps, and tells the progress. */
static enum kg_status read_steps(struct kgpt *k, struct kg_fs_file *file, const char *name, uint8_t *to,
                                 struct kg_error *error)
{
    for (uint64_t at = 0; at < file->size;) {
        size_t n = file->size - at < STEP ? (size_t)(file->size - at) : STEP;
        if (!kg_fs_read(file, at, n, to + at)) {
            kg_error_set(error, KG_E_INPUT, "%.160s cannot be read at byte %llu of %llu: %s", name,
                         (unsigned long long)at, (unsigned long long)file->size, file->fs->problem);
            kg_error_hint(error, "check the disk; the models in memory stay as they are");
            return KG_E_INPUT;
        }
        at += n;
        if (kg_statusline_due(k)) {
            char text[64];
            size_t length = kg_format(text, sizeof text, "loading, %u %%", (uint32_t)(at * 100 / file->size));
            kg_statusline(k, "%s", text);
            plat_notice(text, length);
        }
    }
    return KG_OK;
}

enum kg_status kg_lm_read_file(struct kgpt *k, struct kg_fs_file *file, const char *name, uint8_t *to,
                               struct kg_error *error)
{
    uint64_t start = plat_ticks(), hz = plat_ticks_hz();
    enum kg_status status = read_steps(k, file, name, to, error);
    uint64_t ms = hz >= 1000 ? (plat_ticks() - start) / (hz / 1000) : 0;
    if (status == KG_OK) {
        kg_print("kgpt: %.160s: %s in %llu ms, %llu MB/s\n", name, kg_amount(file->size).text, (unsigned long long)ms,
                 (unsigned long long)(file->size / 1000 / (ms ? ms : 1)));
    }
    return status;
}

/* GGUF files on disks: they are found, and one is read. See lm_walk.h. */
#include "lm_walk.h"

#include "app/events/print.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/utf8.h"

#define MOST_ENTRIES 20000u /* of one file system, so that a damaged one ends */

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

/* `n`: of the name's bytes, those that count. */
static bool is_gguf(const char *name, size_t n)
{
    const char *end = n > 5 ? name + n - 5 : "";
    return end[0] == '.' && (end[1] | 32) == 'g' && (end[2] | 32) == 'g' && (end[3] | 32) == 'u' &&
           (end[4] | 32) == 'f';
}

bool kg_lm_find_part(struct kg_lm_walk *walk, uint32_t i, struct kg_fs_file *file)
{
    char path[KG_LM_PATH + 16];
    kg_format(path, sizeof path, "%s.%u", walk->path, i);
    return kg_fs_find(&walk->fs, path, &walk->entries[KG_LM_WALK_DEPTH], file) == KG_OK && !file->directory &&
           file->size > 0;
}

/* Makes walk->path, `n` bytes, the model of a file: NAME.gguf, or NAME.gguf.1 of a model in parts. */
static bool take_file(struct kg_lm_walk *walk, struct kg_fs_file *file, size_t n)
{
    struct kg_extent extent;
    struct kg_fs_file part;
    bool whole = is_gguf(walk->path, n);
    if (!whole && !(n > 2 && walk->path[n - 2] == '.' && walk->path[n - 1] == '1' && is_gguf(walk->path, n - 2))) {
        return false;
    }
    if (!file->size && !kg_fs_extent(file, 0, &extent)) { /* ext4 knows the size from the extent on */
        return false;
    }
    walk->file = file;
    walk->size = file->size;
    walk->parts = 0;
    if (!whole) {
        walk->path[n - 2] = '\0';
        for (walk->parts = 1; walk->parts < KG_LM_PARTS_MOST && kg_lm_find_part(walk, walk->parts + 1, &part);) {
            walk->parts++;
            walk->size += part.size;
        }
    }
    return true;
}

/* Visits the files below a directory, whose path is the first `n` bytes of walk->path. Returns true when `visit` has
 * returned true. */
static bool walk_files(struct kg_lm_walk *walk, struct kg_fs_file *directory, size_t n, uint32_t depth)
{
    struct kg_fs_entry *entry = &walk->entries[depth];
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
        } else if (take_file(walk, &entry->file, n + 1 + length)) {
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

/* The readers of partition tables and file systems, on any disk. The input is a list of sectors: a number of 16 bits,
 * and 512 bytes. Every other sector is zero, so that small inputs are whole disks. */
#include <stdlib.h>
#include <string.h>

#include "kgpt/disk.h"
#include "promise.h"

#define SECTOR 512u
#define RECORD (2 + SECTOR)
#define SECTORS 8192u
#define MOST_ENTRIES 200
#define MOST_EXTENTS 50
#define DEEPEST 3

struct made_up {
    const uint8_t *records[SECTORS];
    uint32_t entries;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_made_up(void *context, uint64_t offset, size_t n, void *to)
{
    const struct made_up *disk = context;
    uint8_t *bytes = to;
    promise(offset <= SECTORS * SECTOR && n <= SECTORS * SECTOR - offset);
    for (size_t i = 0; i < n;) {
        const uint8_t *record = disk->records[(offset + i) / SECTOR];
        size_t within = (offset + i) % SECTOR, part = SECTOR - within < n - i ? SECTOR - within : n - i;
        if (record) {
            memcpy(bytes + i, record + within, part);
        } else {
            memset(bytes + i, 0, part);
        }
        i += part;
    }
    return true;
}

static void walk_file(struct kg_fs_file *file)
{
    struct kg_extent extent;
    uint8_t bytes[700];
    uint64_t at = 0;
    for (int i = 0; i < MOST_EXTENTS && at < file->size; i++) {
        if (!kg_fs_extent(file, at, &extent)) {
            promise(file->fs->problem && *file->fs->problem);
            return;
        }
        promise(extent.n > 0 && extent.n <= file->size - at);
        promise(extent.hole || (extent.offset >= file->fs->first && extent.offset <= SECTORS * SECTOR &&
                                extent.n <= SECTORS * SECTOR - extent.offset));
        at += extent.n;
    }
    kg_fs_read(file, 0, file->size < sizeof bytes ? (size_t)file->size : sizeof bytes, bytes);
}

static void walk_directory(struct made_up *disk, struct kg_fs_file *directory, int depth)
{
    struct kg_fs_entry *entry = malloc(sizeof *entry);
    uint64_t position = 0;
    promise(entry);
    while (disk->entries < MOST_ENTRIES) {
        enum kg_fs_next next = kg_fs_next(directory, &position, entry);
        promise(next != KG_FS_BAD || directory->fs->problem);
        if (next != KG_FS_ENTRY) {
            break;
        }
        disk->entries++;
        promise(entry->name[0] && strlen(entry->name) < KG_FS_NAME);
        if (!entry->file.directory) {
            walk_file(&entry->file);
        } else if (depth < DEEPEST) {
            walk_directory(disk, &entry->file, depth + 1);
        }
    }
    free(entry);
}

static void walk_part(struct made_up *disk, const struct kg_disk *reader, uint64_t first, uint64_t size)
{
    struct kg_fs *fs = malloc(sizeof *fs); /* not static: the sanitizer sees its ends */
    struct kg_fs_entry *entry = malloc(sizeof *entry);
    struct kg_fs_file file;
    promise(fs && entry);
    if (kg_fs_open(fs, reader, first, size) == KG_OK) {
        kg_fs_root(fs, &file);
        disk->entries = 0;
        walk_directory(disk, &file, 0);
        kg_fs_find(fs, "/folder/inner", entry, &file);
    } else {
        promise(fs->problem);
    }
    free(entry);
    free(fs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct made_up disk;
    struct kg_disk reader = {&disk, read_made_up, SECTORS * SECTOR, SECTOR};
    struct kg_parts parts;
    struct kg_part part;
    memset(&disk, 0, sizeof disk);
    for (; size >= RECORD; data += RECORD, size -= RECORD) {
        disk.records[(data[0] | data[1] << 8) % SECTORS] = data + 2;
    }
    walk_part(&disk, &reader, 0, reader.size);
    kg_parts_open(&parts, &reader);
    for (uint32_t i = 0; kg_parts_get(&parts, i, &part) && i < 4; i++) {
        promise(part.size > 0 && part.first <= reader.size && part.size <= reader.size - part.first);
        walk_part(&disk, &reader, part.first, part.size);
    }
    return 0;
}

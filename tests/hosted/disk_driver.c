/* What kgpt/disk.h finds in an image: `disk_driver IMAGE` lists it, `disk_driver IMAGE PARTITION PATH` writes a file to
 * standard output, and its extents to standard error. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/disk.h"

#define DEEPEST 4

static bool read_image(void *context, uint64_t offset, size_t n, void *to)
{
    FILE *file = context;
    return fseek(file, (long)offset, SEEK_SET) == 0 && fread(to, 1, n, file) == n;
}

static void list(struct kg_fs_file *directory, const char *path, int depth)
{
    struct kg_fs_entry *entry = malloc(sizeof *entry);
    uint64_t position = 0;
    enum kg_fs_next next;
    while ((next = kg_fs_next(directory, &position, entry)) == KG_FS_ENTRY) {
        char whole[4 * KG_FS_NAME];
        struct kg_extent extent;
        snprintf(whole, sizeof whole, "%s/%s", path, entry->name);
        if (entry->file.directory && depth < DEEPEST) {
            list(&entry->file, whole, depth + 1);
        } else if (!entry->file.directory) {
            kg_fs_extent(&entry->file, 0, &extent); /* ext4 knows sizes from now on */
            printf("file %llu %s\n", (unsigned long long)entry->file.size, whole);
        }
    }
    if (next == KG_FS_BAD) {
        printf("bad %s: %s\n", path, directory->fs->problem);
    }
    free(entry);
}

static int copy(struct kg_fs_file *file)
{
    static uint8_t bytes[100003];
    struct kg_extent extent;
    for (uint64_t at = 0; at < file->size; at += extent.n) {
        if (!kg_fs_extent(file, at, &extent)) {
            return 1;
        }
        fprintf(stderr, "%llu %llu %d\n", (unsigned long long)extent.offset, (unsigned long long)extent.n, extent.hole);
    }
    for (uint64_t at = 0; at < file->size;) {
        size_t n = file->size - at < sizeof bytes ? (size_t)(file->size - at) : sizeof bytes;
        if (!kg_fs_read(file, at, n, bytes)) {
            return 1;
        }
        fwrite(bytes, 1, n, stdout);
        at += n;
    }
    return 0;
}

static int show(const struct kg_disk *disk, const struct kg_part *part, const char *path)
{
    static struct kg_fs fs;
    static struct kg_fs_entry entry;
    struct kg_fs_file file;
    enum kg_status status = kg_fs_open(&fs, disk, part->first, part->size);
    if (!path) {
        printf("part %u %llu %llu %02x %s\n", part->number, (unsigned long long)part->first,
               (unsigned long long)part->size, part->mbr_type, part->name);
        printf("type %s %s\n", fs.type, status == KG_OK ? "" : fs.problem);
        kg_fs_root(&fs, &file);
        if (status == KG_OK) {
            list(&file, "", 0);
        }
        return 0;
    }
    if (status != KG_OK || kg_fs_find(&fs, path, &entry, &file) != KG_OK || copy(&file) != 0) {
        fprintf(stderr, "problem %s\n", fs.problem);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    FILE *image = fopen(argv[1], "rb");
    struct kg_parts parts;
    struct kg_part part;
    if (!image || fseek(image, 0, SEEK_END) != 0) {
        return 2;
    }
    struct kg_disk disk = {image, read_image, (uint64_t)ftell(image), 512};
    kg_parts_open(&parts, &disk);
    uint32_t wanted = argc > 2 ? (uint32_t)atoi(argv[2]) : 0;
    if (argc == 2) {
        printf("table %d %d %s\n", parts.kind, parts.backup, parts.problem ? parts.problem : "");
    }
    if (parts.kind == KG_PARTS_NONE) {
        part = (struct kg_part){.size = disk.size};
        return show(&disk, &part, argc > 3 ? argv[3] : NULL);
    }
    int result = 0;
    for (uint32_t i = 0; kg_parts_get(&parts, i, &part); i++) {
        if (argc == 2 || part.number == wanted) {
            result = show(&disk, &part, argc > 3 ? argv[3] : NULL);
        }
    }
    return result;
}

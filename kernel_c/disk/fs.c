/* The file systems as one. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

#define KG_SMALL_READ 256u

void kg_fs_root(struct kg_fs *fs, struct kg_fs_file *directory)
{
    *directory = (struct kg_fs_file){.fs = fs, .directory = true, .first = fs->root};
    directory->fixed = fs->kind == KG_FS_FAT && fs->bits != 32;
    uint64_t most = (uint64_t)fs->n_units * fs->block;
    most = most < KG_FS_DIRECTORY_MOST ? most : KG_FS_DIRECTORY_MOST;
    directory->size = directory->fixed         ? fs->root_size
                      : fs->kind == KG_FS_EXT4 ? 0 /* known when it is opened */
                                               : most;
    directory->valid = directory->size;
}

/* A file of ext4 from a directory is only a number until now. */
static bool complete_file(struct kg_fs_file *file)
{
    bool directory = file->directory;
    if (!file->fs->calls->complete || file->tree[0]) {
        return true;
    }
    return file->fs->calls->complete(file->fs, file->first, file) &&
           (file->directory == directory || kg_fs_fail(file->fs, KG_FS_DAMAGED_DIRECTORY));
}

enum kg_fs_next kg_fs_next(struct kg_fs_file *directory, uint64_t *position, struct kg_fs_entry *entry)
{
    if (!directory->directory || !complete_file(directory)) {
        return KG_FS_BAD;
    }
    return directory->fs->calls->next(directory, position, entry);
}

static uint8_t folded(const struct kg_fs *fs, char c)
{
    return (uint8_t)(fs->kind != KG_FS_EXT4 && c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool is_named(const struct kg_fs *fs, const char *name, const char *wanted, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!name[i] || folded(fs, name[i]) != folded(fs, wanted[i])) {
            return false;
        }
    }
    return name[n] == '\0';
}

/* The entry with this name, of `n` bytes. */
static enum kg_status find_name(struct kg_fs_file *directory, const char *wanted, size_t n, struct kg_fs_entry *entry)
{
    struct kg_fs *fs = directory->fs;
    uint64_t position = 0;
    enum kg_fs_next next;
    while ((next = kg_fs_next(directory, &position, entry)) == KG_FS_ENTRY) {
        if (is_named(fs, entry->name, wanted, n)) {
            return complete_file(&entry->file) ? KG_OK : KG_E_INPUT;
        }
    }
    if (next == KG_FS_END) {
        kg_fs_fail(fs, "there is no such file");
    }
    return KG_E_INPUT;
}

enum kg_status kg_fs_find(struct kg_fs *fs, const char *path, struct kg_fs_entry *entry, struct kg_fs_file *file)
{
    kg_fs_root(fs, file);
    if (!complete_file(file)) {
        return KG_E_INPUT;
    }
    for (;;) {
        while (*path == '/') {
            path++;
        }
        if (!*path) {
            return KG_OK;
        }
        size_t n = 0;
        while (path[n] && path[n] != '/') {
            n++;
        }
        if (!file->directory) {
            kg_fs_fail(fs, "there is no such file");
            return KG_E_INPUT;
        }
        enum kg_status status = find_name(file, path, n, entry);
        if (status != KG_OK) {
            return status;
        }
        *file = entry->file;
        path += n;
    }
}

/* Bytes beyond `valid` were never written. */
static void cut_at_valid(const struct kg_fs_file *file, uint64_t offset, struct kg_extent *extent)
{
    if (offset < file->valid && extent->n > file->valid - offset) {
        extent->n = file->valid - offset;
    }
    extent->hole = extent->hole || offset >= file->valid;
}

bool kg_fs_extent(struct kg_fs_file *file, uint64_t offset, struct kg_extent *extent)
{
    struct kg_fs *fs = file->fs;
    if (!complete_file(file)) {
        return false;
    }
    if (offset >= file->size) {
        return kg_fs_fail(fs, "the file is shorter");
    }
    if (!fs->calls->extent(file, offset, extent)) {
        return false;
    }
    cut_at_valid(file, offset, extent);
    if (!extent->hole && (extent->offset > fs->size || extent->n > fs->size - extent->offset)) {
        return kg_fs_fail(fs, "the file system points beyond its end");
    }
    extent->offset += fs->first;
    return true;
}

/* Small reads, as of directories, go through the cache. */
static bool read_run(struct kg_fs *fs, uint64_t offset, size_t n, void *to)
{
    uint64_t own = offset - fs->first;
    if (n > KG_SMALL_READ || own % fs->cache_size + n > fs->cache_size) {
        return kg_disk_read(&fs->disk, offset, n, to) || kg_fs_fail(fs, "the disk cannot be read");
    }
    const uint8_t *bytes = kg_fs_cached(fs, own, (uint32_t)n);
    if (bytes) {
        memcpy(to, bytes, n);
    }
    return bytes != NULL;
}

bool kg_fs_read(struct kg_fs_file *file, uint64_t offset, size_t n, void *to)
{
    struct kg_extent extent;
    uint8_t *bytes = to;
    while (n > 0) {
        if (!kg_fs_extent(file, offset, &extent)) {
            return false;
        }
        size_t part = extent.n < n ? (size_t)extent.n : n;
        if (extent.hole) {
            memset(bytes, 0, part);
        } else if (!read_run(file->fs, extent.offset, part, bytes)) {
            return false;
        }
        bytes += part;
        offset += part;
        n -= part;
    }
    return true;
}

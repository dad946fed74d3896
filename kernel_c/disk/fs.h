/* What the file systems share, and what each of them defines. */
#ifndef KGPT_DISK_FS_H
#define KGPT_DISK_FS_H

#include "kgpt/disk.h"

/* Numbers of a disk are little-endian and may be unaligned. */
static inline uint16_t kg_disk_u16(const uint8_t *data)
{
    return (uint16_t)(data[0] | data[1] << 8);
}

static inline uint32_t kg_disk_u32(const uint8_t *data)
{
    return kg_disk_u16(data) | (uint32_t)kg_disk_u16(data + 2) << 16;
}

static inline uint64_t kg_disk_u64(const uint8_t *data)
{
    return kg_disk_u32(data) | (uint64_t)kg_disk_u32(data + 4) << 32;
}

/* Appends UTF-16 to UTF-8 text of `size` bytes. Half a pair becomes U+FFFD. Returns the new length; `size` if the
 * text is full. A NUL ends the input. */
size_t kg_disk_utf8(const uint8_t *utf16, size_t n_units, char *text, size_t at, size_t size);

/* For a file system: `n` bytes at `offset` from its start. */
bool kg_fs_bytes(struct kg_fs *fs, uint64_t offset, size_t n, void *to);

/* The same through the cache: `n` bytes that do not cross a boundary of cache_size. NULL: fs->problem. */
const uint8_t *kg_fs_cached(struct kg_fs *fs, uint64_t offset, uint32_t n);

/* Sets fs->problem. */
bool kg_fs_fail(struct kg_fs *fs, const char *problem);

/* `boot`: the first 2,048 bytes. KG_E_INPUT with an empty `type`: not this file system. */
enum kg_status kg_fat_open(struct kg_fs *fs, const uint8_t *boot);
enum kg_status kg_exfat_open(struct kg_fs *fs, const uint8_t *boot);
enum kg_status kg_ext4_open(struct kg_fs *fs, const uint8_t *boot);

/* True if these 512 bytes are a boot sector of FAT by their numbers. Some tools write a partition table into it. */
bool kg_fat_begins(const uint8_t *boot);

/* The functions of a file system, which fs.c calls. */
struct kg_fs_calls {
    enum kg_fs_next (*next)(struct kg_fs_file *directory, uint64_t *position, struct kg_fs_entry *entry);
    bool (*extent)(struct kg_fs_file *file, uint64_t offset,
                   struct kg_extent *extent); /* from the file system's start */
    /* Reads what a directory does not tell of a file; NULL: it tells all. */
    bool (*complete)(struct kg_fs *fs, uint64_t number, struct kg_fs_file *file);
};

bool kg_fat_extent(struct kg_fs_file *file, uint64_t offset, struct kg_extent *extent); /* FAT and exFAT */

/* An entry of a directory of FAT or exFAT. `ended`: the directory or its chain of clusters has no further one. */
#define KG_FAT_ENTRY 32u
bool kg_fat_dir_read(struct kg_fs_file *directory, uint64_t position, uint8_t raw[KG_FAT_ENTRY], bool *ended);

#define KG_FS_DAMAGED_DIRECTORY "a directory is damaged"
#define KG_FS_DIRECTORY_MOST (256u << 20) /* bytes of a directory, as exFAT limits it */

#endif

/* Disks as bytes: partitions, and the files of FAT12, FAT16, FAT32, exFAT and ext4. Nothing here writes. A disk is
 * untrusted: every number is checked, and every loop has a bound. The memory of a walk is the caller's. */
#ifndef KGPT_DISK_H
#define KGPT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/status.h"

/* Where bytes come from: a device, a file of a process, the firmware. */
struct kg_disk {
    void *context;
    /* Reads `n` bytes at `offset`, which lie within `size`. False: they could not be read. */
    bool (*read)(void *context, uint64_t offset, size_t n, void *to);
    uint64_t size;
    uint32_t sector_size; /* bytes, a power of two from 512 to 4096: the unit of partition tables */
};

/* kg_disk.read, after a check that the bytes lie within `size`. */
bool kg_disk_read(const struct kg_disk *reader, uint64_t offset, size_t n, void *to);

/* Partitions. */

#define KG_PART_NAME 112 /* 36 characters of UTF-16 as UTF-8, and the NUL */

struct kg_part {
    uint64_t first, size;            /* bytes */
    uint32_t number;                 /* from 1, as Linux counts; 0: the whole disk, which has no table */
    uint8_t mbr_type;                /* of an MBR; 0 with a GPT */
    uint8_t guid_type[16], guid[16]; /* as bytes on disk; zeros with an MBR */
    char name[KG_PART_NAME];         /* of a GPT; UTF-8, printable; "" without one */
};

#define KG_PARTS_MOST 128

enum kg_parts_kind { KG_PARTS_NONE, KG_PARTS_MBR, KG_PARTS_GPT };

struct kg_parts {
    const struct kg_disk *disk;
    enum kg_parts_kind kind;
    uint64_t entries;    /* offset of the table of a GPT */
    uint32_t n, each;    /* of its entries: number and bytes */
    bool backup;         /* the GPT at the end is used: the first is damaged */
    const char *problem; /* NULL, or why the table cannot be used */
};

/* Finds the partition table. Without a usable one `kind` is KG_PARTS_NONE: the disk may be one file system. */
void kg_parts_open(struct kg_parts *parts, const struct kg_disk *disk);

/* The partition number `i`, from 0, in the order of the table. False: past the last one. A partition beyond the end
 * of the disk is left out. */
bool kg_parts_get(const struct kg_parts *parts, uint32_t i, struct kg_part *part);

/* File systems. */

#define KG_FS_NAME 768   /* a name of 255 characters as UTF-8, and the NUL */
#define KG_FS_CACHE 4096 /* the sector or block of metadata that was read last */

enum kg_fs_kind { KG_FS_FAT, KG_FS_EXFAT, KG_FS_EXT4 };

struct kg_fs_calls; /* disk/fs.h */

struct kg_fs {
    const struct kg_fs_calls *calls;
    struct kg_disk disk;
    uint64_t first, size; /* bytes: the part of the disk that is the file system */
    enum kg_fs_kind kind;
    const char *type;    /* "FAT32" …; "" */
    const char *problem; /* why the last call failed */
    uint64_t cached;     /* offset of the bytes in `cache`; UINT64_MAX: none */
    uint32_t cache_size;
    uint32_t bits;    /* of an entry of FAT: 12, 16 or 32 */
    uint32_t block;   /* bytes of a cluster or a block */
    uint32_t n_units; /* clusters; inodes of ext4 */
    uint64_t table;   /* offset of the FAT, or of the group descriptors */
    uint64_t heap;    /* offset of the first cluster */
    uint64_t n_blocks;
    uint64_t root; /* first cluster, inode, or the offset of the root of FAT12 and FAT16 */
    uint32_t root_size;
    uint32_t per_group, inode_size, descriptor_size;
    uint8_t cache[KG_FS_CACHE];
};

struct kg_fs_file {
    struct kg_fs *fs;
    uint64_t size;  /* bytes; of a directory a bound */
    uint64_t valid; /* bytes that were written; the rest reads as zeros */
    bool directory;
    bool contiguous;      /* clusters follow each other, without entries of the FAT */
    bool fixed;           /* root of FAT12 and FAT16: `first` is an offset */
    uint64_t first;       /* first cluster, or inode */
    uint64_t at, at_unit; /* the chain was followed to this cluster of the file */
    uint8_t tree[60];     /* root of the extents of ext4 */
};

struct kg_fs_entry {
    char name[KG_FS_NAME]; /* UTF-8; characters that cannot be shown stay: print with kg_utf8_printable */
    struct kg_fs_file file;
};

/* A run of bytes that lie together. */
struct kg_extent {
    uint64_t offset; /* from the start of the disk; meaningless for a hole */
    uint64_t n;      /* bytes */
    bool hole;       /* reads as zeros */
};

enum kg_fs_next { KG_FS_ENTRY, KG_FS_END, KG_FS_BAD };

/* Recognizes the file system in `size` bytes at `first`. KG_E_INPUT with `problem`: none, or one that cannot be
 * read; `type` is "" if it was not recognized. */
enum kg_status kg_fs_open(struct kg_fs *fs, const struct kg_disk *disk, uint64_t first, uint64_t size);

void kg_fs_root(struct kg_fs *fs, struct kg_fs_file *directory);

/* The entry at `*position` (0 at first) of a directory, without "." and "..", volume names and deleted entries. */
enum kg_fs_next kg_fs_next(struct kg_fs_file *directory, uint64_t *position, struct kg_fs_entry *entry);

/* Opens a path of names between "/". FAT and exFAT compare ASCII letters without case. KG_E_INPUT: fs->problem.
 * `entry` is working memory. */
enum kg_status kg_fs_find(struct kg_fs *fs, const char *path, struct kg_fs_entry *entry, struct kg_fs_file *file);

/* Where the bytes from `offset` lie: at least one byte, at most to the end of the file. False: fs->problem. */
bool kg_fs_extent(struct kg_fs_file *file, uint64_t offset, struct kg_extent *extent);

/* Reads `n` bytes at `offset`, which lie within the file. False: fs->problem. */
bool kg_fs_read(struct kg_fs_file *file, uint64_t offset, size_t n, void *to);

#endif

/* ext4, with extents; its directories are read linearly, which their index allows. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

#define SUPER 1024u
#define ROOT_INODE 2u
#define DEPTH_MOST 5u /* levels of a tree of extents */

/* Features that a reader must know (s_feature_incompat). */
#define RECOVER 0x4u
#define KNOWN (0x2u | 0x40u | 0x80u | 0x100u | 0x200u | 0x2000u | 0x4000u | 0x8000u | 0x10000u | 0x20000u)

#define INODE_ENCRYPTED 0x800u
#define INODE_EXTENTS 0x80000u
#define INODE_INLINE 0x10000000u

/* Reads the numbers of the superblock. Returns what is wrong with them, or NULL. */
static const char *read_super(struct kg_fs *fs, const uint8_t *super)
{
    uint32_t incompat = kg_disk_u32(super + 96), shift = kg_disk_u32(super + 24);
    uint32_t first_block = kg_disk_u32(super + 20);
    if (incompat & RECOVER) {
        return "its journal holds writes that were not finished: mount it once where it comes from";
    }
    if (incompat & 0x8) {
        return "it is the journal of another file system";
    }
    if (incompat & ~KNOWN) {
        return incompat & 0x10 ? "it has meta_bg, which is not supported" : "it has features that are not known";
    }
    if (shift > 2) {
        return "its blocks are larger than 4,096 bytes";
    }
    fs->block = fs->cache_size = 1024u << shift;
    fs->n_units = kg_disk_u32(super);
    fs->n_blocks = kg_disk_u32(super + 4) | (incompat & 0x80 ? (uint64_t)kg_disk_u32(super + 0x150) << 32 : 0);
    fs->per_group = kg_disk_u32(super + 40);
    fs->inode_size = kg_disk_u32(super + 76) ? kg_disk_u16(super + 88) : 128;
    fs->descriptor_size = incompat & 0x80 ? kg_disk_u16(super + 254) : 32;
    fs->table = ((uint64_t)first_block + 1) * fs->block;
    uint32_t inode = fs->inode_size, descriptor = fs->descriptor_size;
    if (fs->per_group == 0 || fs->n_units < ROOT_INODE || inode < 128 || inode > fs->block || (inode & (inode - 1)) ||
        descriptor < 32 || descriptor > fs->block || (descriptor & (descriptor - 1)) || first_block > 1 ||
        fs->n_blocks > fs->size / fs->block || (incompat & 0x80 && descriptor < 64)) {
        return "its superblock is damaged";
    }
    return NULL;
}

static bool read_inode(struct kg_fs *fs, uint64_t number, struct kg_fs_file *file)
{
    if (number == 0 || number > fs->n_units) {
        return kg_fs_fail(fs, "an entry names an inode that does not exist");
    }
    uint64_t group = (number - 1) / fs->per_group, index = (number - 1) % fs->per_group;
    const uint8_t *group_data = kg_fs_cached(fs, fs->table + group * fs->descriptor_size, fs->descriptor_size);
    if (!group_data) {
        return false;
    }
    uint64_t table = kg_disk_u32(group_data + 8);
    table |= fs->descriptor_size >= 64 ? (uint64_t)kg_disk_u32(group_data + 40) << 32 : 0;
    if (table >= fs->n_blocks) {
        return kg_fs_fail(fs, "a table of inodes lies beyond the end");
    }
    const uint8_t *inode = kg_fs_cached(fs, table * fs->block + index * fs->inode_size, 128);
    if (!inode) {
        return false;
    }
    uint32_t flags = kg_disk_u32(inode + 32), type = kg_disk_u16(inode) >> 12;
    if (type != 4 && type != 8) {
        return kg_fs_fail(fs, "it is neither a file nor a directory");
    }
    if (flags & (INODE_ENCRYPTED | INODE_INLINE) || !(flags & INODE_EXTENTS)) {
        return kg_fs_fail(fs, flags & INODE_ENCRYPTED ? "it is encrypted"
                              : flags & INODE_INLINE  ? "its data lie in its inode, which is not supported"
                                                      : "it has no extents: it was written as ext2 or ext3");
    }
    *file = (struct kg_fs_file){.fs = fs, .directory = type == 4, .first = number};
    file->size = kg_disk_u32(inode + 4) | (uint64_t)kg_disk_u32(inode + 108) << 32;
    file->valid = file->size;
    memcpy(file->tree, inode + 40, sizeof file->tree);
    bool too_large = file->directory ? file->size > KG_FS_DIRECTORY_MOST : file->size >> 44;
    return !too_large || kg_fs_fail(fs, "its size is impossible");
}

/* A node of a tree of extents: `n` entries of 12 bytes after a header of 12. */
static bool check_node(struct kg_fs *fs, const uint8_t *node, uint32_t size, uint32_t depth)
{
    bool good =
        kg_disk_u16(node) == 0xF30A && kg_disk_u16(node + 2) <= (size - 12) / 12 && kg_disk_u16(node + 6) == depth;
    return good || kg_fs_fail(fs, "the extents of a file are damaged");
}

/* The last entry that begins at `block` or before, and where the entry after it begins. NULL: there is none. */
static const uint8_t *entry_for(const uint8_t *node, uint32_t block, uint64_t *after)
{
    const uint8_t *found = NULL;
    uint32_t n = kg_disk_u16(node + 2);
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t *entry = node + 12 + 12 * i;
        if (kg_disk_u32(entry) > block) {
            *after = *after < kg_disk_u32(entry) ? *after : kg_disk_u32(entry);
            break;
        }
        found = entry;
    }
    return found;
}

/* The entry of a leaf for `block`; `*entry` NULL: a hole up to block `*after`. */
static bool find_leaf(struct kg_fs_file *file, uint32_t block, const uint8_t **entry, uint64_t *after)
{
    struct kg_fs *fs = file->fs;
    const uint8_t *node = file->tree;
    uint32_t depth = kg_disk_u16(node + 6), size = sizeof file->tree;
    *after = UINT64_MAX;
    if (depth > DEPTH_MOST) {
        return kg_fs_fail(fs, "the extents of a file are damaged");
    }
    for (;; depth--) {
        if (!check_node(fs, node, size, depth)) {
            return false;
        }
        *entry = entry_for(node, block, after);
        if (!*entry || depth == 0) {
            return true;
        }
        uint64_t child = kg_disk_u32(*entry + 4) | (uint64_t)kg_disk_u16(*entry + 8) << 32;
        size = fs->block;
        node = child < fs->n_blocks ? kg_fs_cached(fs, child * fs->block, size) : NULL;
        if (!node) {
            return kg_fs_fail(fs, "the extents of a file are damaged");
        }
    }
}

static bool extent_of_ext4(struct kg_fs_file *file, uint64_t offset, struct kg_extent *extent)
{
    struct kg_fs *fs = file->fs;
    uint64_t block = offset / fs->block, left = file->size - offset, after = 0, end;
    const uint8_t *entry = NULL;
    if (block > UINT32_MAX || !find_leaf(file, (uint32_t)block, &entry, &after)) {
        return block <= UINT32_MAX ? false : kg_fs_fail(fs, "the extents of a file are damaged");
    }
    *extent = (struct kg_extent){.hole = true};
    end = after;
    if (entry) {
        uint32_t start = kg_disk_u32(entry), length = kg_disk_u16(entry + 4);
        bool written = length <= 32768;
        length = written ? length : length - 32768;
        uint64_t physical = kg_disk_u32(entry + 8) | (uint64_t)kg_disk_u16(entry + 6) << 32;
        if (length == 0 || physical >= fs->n_blocks || length > fs->n_blocks - physical) {
            return kg_fs_fail(fs, "the extents of a file are damaged");
        }
        if (block < (uint64_t)start + length) {
            extent->hole = !written;
            extent->offset = (physical + (block - start)) * fs->block + offset % fs->block;
            end = (uint64_t)start + length;
        }
    }
    uint64_t n = end > UINT32_MAX ? left : end * fs->block - offset;
    extent->n = n < left ? n : left;
    return true;
}

static enum kg_fs_next next_of_ext4(struct kg_fs_file *directory, uint64_t *position, struct kg_fs_entry *entry)
{
    struct kg_fs *fs = directory->fs;
    uint8_t head[8];
    for (;;) {
        if (*position >= directory->size) {
            return KG_FS_END;
        }
        if (!kg_fs_read(directory, *position, sizeof head, head)) {
            return KG_FS_BAD;
        }
        uint32_t inode = kg_disk_u32(head), length = kg_disk_u16(head + 4), n = head[6], type = head[7];
        uint64_t at = *position + sizeof head;
        if (length < sizeof head || length % 4 || n > length - sizeof head ||
            length > fs->block - *position % fs->block) {
            kg_fs_fail(fs, KG_FS_DAMAGED_DIRECTORY);
            return KG_FS_BAD;
        }
        *position += length;
        if (inode == 0 || n == 0 || (type != 1 && type != 2)) { /* free, or neither a file nor a directory */
            continue;
        }
        if (!kg_fs_read(directory, at, n, entry->name)) {
            return KG_FS_BAD;
        }
        entry->name[n] = '\0';
        if (kg_strlen(entry->name) != n) {
            kg_fs_fail(fs, KG_FS_DAMAGED_DIRECTORY);
            return KG_FS_BAD;
        }
        if (entry->name[0] == '.' && (n == 1 || (n == 2 && entry->name[1] == '.'))) {
            continue;
        }
        entry->file = (struct kg_fs_file){.fs = fs, .directory = type == 2, .first = inode};
        return KG_FS_ENTRY;
    }
}

static const struct kg_fs_calls calls_of_ext4 = {next_of_ext4, extent_of_ext4, read_inode};

enum kg_status kg_ext4_open(struct kg_fs *fs, const uint8_t *boot)
{
    const uint8_t *super = boot + SUPER;
    if (kg_disk_u16(super + 56) != 0xEF53) {
        return KG_E_INPUT;
    }
    fs->type = "ext4";
    fs->calls = &calls_of_ext4;
    fs->kind = KG_FS_EXT4;
    fs->root = ROOT_INODE;
    const char *problem = read_super(fs, super);
    if (problem) {
        kg_fs_fail(fs, problem);
        return KG_E_INPUT;
    }
    return KG_OK;
}

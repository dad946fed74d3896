/* exFAT. Chains of clusters are those of fat.c, with entries of 32 bits. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/mem.h"

#define SET_ENTRY KG_FAT_ENTRY
#define SET_MOST 19u /* entries of one file: itself, its stream, and a name of 255 characters */
#define NAME_UNITS 15u
#define BOOT_SECTORS 11u /* which the check sum covers; it stands in the next one */

#define TYPE_FILE 0x85
#define TYPE_STREAM 0xC0
#define TYPE_NAME 0xC1

/* The check sum of the boot sectors; three bytes of the first one change in use and do not count. */
static bool check_boot(struct kg_fs *fs, uint32_t sector)
{
    uint32_t sum = 0;
    fs->cache_size = sector;
    for (uint32_t i = 0; i < BOOT_SECTORS; i++) {
        const uint8_t *bytes = kg_fs_cached(fs, (uint64_t)i * sector, sector);
        for (uint32_t j = 0; bytes && j < sector; j++) {
            if (i != 0 || (j != 106 && j != 107 && j != 112)) {
                sum = (sum << 31 | sum >> 1) + bytes[j];
            }
        }
        if (!bytes) {
            return false;
        }
    }
    const uint8_t *stated = kg_fs_cached(fs, (uint64_t)BOOT_SECTORS * sector, 4);
    return stated && (kg_disk_u32(stated) == sum || kg_fs_fail(fs, "the boot sectors of exFAT are damaged"));
}

static uint16_t set_sum(const uint8_t *entries, uint32_t n)
{
    uint16_t sum = 0;
    for (uint32_t i = 0; i < n * SET_ENTRY; i++) {
        if (i != 2 && i != 3) {
            sum = (uint16_t)(((uint32_t)sum << 15 | sum >> 1) + entries[i]);
        }
    }
    return sum;
}

/* The file of a set whose check sum is right. */
static bool read_set(struct kg_fs *fs, const uint8_t *set, uint32_t n, struct kg_fs_entry *entry)
{
    const uint8_t *stream = set + SET_ENTRY;
    uint32_t length = stream[3];
    bool directory = (kg_disk_u16(set + 4) & 0x10) != 0;
    if (n < 3 || stream[0] != TYPE_STREAM || length == 0 || length > (n - 2) * NAME_UNITS) {
        return false;
    }
    struct kg_fs_file *file = &entry->file;
    *file = (struct kg_fs_file){.fs = fs, .directory = directory, .contiguous = (stream[1] & 2) != 0};
    file->first = kg_disk_u32(stream + 20);
    file->size = kg_disk_u64(stream + 24);
    file->valid = kg_disk_u64(stream + 8);
    if (file->valid > file->size || file->size > (uint64_t)fs->n_units * fs->block ||
        (directory && file->size > KG_FS_DIRECTORY_MOST)) {
        return false;
    }
    size_t at = 0;
    for (uint32_t i = 2; i < n && length; i++) {
        uint32_t units = length < NAME_UNITS ? length : NAME_UNITS;
        if (set[i * SET_ENTRY] != TYPE_NAME) {
            return false;
        }
        at = kg_disk_utf8(set + i * SET_ENTRY + 2, units, entry->name, at, sizeof entry->name);
        length -= units;
    }
    return at > 0 && at < sizeof entry->name && length == 0;
}

static enum kg_fs_next next_of_exfat(struct kg_fs_file *directory, uint64_t *position, struct kg_fs_entry *entry)
{
    uint8_t set[SET_MOST * SET_ENTRY];
    struct kg_fs *fs = directory->fs;
    bool ended;
    for (;;) {
        if (!kg_fat_dir_read(directory, *position, set, &ended)) {
            return KG_FS_BAD;
        }
        if (ended || set[0] == 0) {
            return KG_FS_END;
        }
        if (set[0] == TYPE_FILE) {
            break;
        }
        *position += SET_ENTRY;
    }
    uint32_t n = set[1] + 1u;
    if (n > SET_MOST) {
        kg_fs_fail(fs, KG_FS_DAMAGED_DIRECTORY);
        return KG_FS_BAD;
    }
    for (uint32_t i = 1; i < n; i++) {
        uint64_t at = *position + (uint64_t)i * SET_ENTRY;
        if (!kg_fat_dir_read(directory, at, set + (size_t)i * SET_ENTRY, &ended) || ended) {
            kg_fs_fail(fs, KG_FS_DAMAGED_DIRECTORY);
            return KG_FS_BAD;
        }
    }
    if (set_sum(set, n) != kg_disk_u16(set + 2) || !read_set(fs, set, n, entry)) {
        kg_fs_fail(fs, KG_FS_DAMAGED_DIRECTORY);
        return KG_FS_BAD;
    }
    *position += (uint64_t)n * SET_ENTRY;
    return KG_FS_ENTRY;
}

static const struct kg_fs_calls calls_of_exfat = {next_of_exfat, kg_fat_extent, NULL};

enum kg_status kg_exfat_open(struct kg_fs *fs, const uint8_t *boot)
{
    if (memcmp(boot + 3, "EXFAT   ", 8) != 0 || boot[510] != 0x55 || boot[511] != 0xAA) {
        return KG_E_INPUT;
    }
    fs->type = "exFAT";
    fs->calls = &calls_of_exfat;
    fs->kind = KG_FS_EXFAT;
    kg_fs_fail(fs, "the boot sector of exFAT is damaged");
    uint32_t shift = boot[108], cluster_shift = boot[109];
    if (shift < 9 || shift > 12 || cluster_shift > 25 - shift || (boot[110] != 1 && boot[110] != 2)) {
        return KG_E_INPUT;
    }
    uint64_t sectors = kg_disk_u64(boot + 72), table = kg_disk_u32(boot + 80), table_sectors = kg_disk_u32(boot + 84);
    uint64_t heap = kg_disk_u32(boot + 88);
    bool second = boot[110] == 2 && (boot[106] & 1);
    fs->n_units = kg_disk_u32(boot + 92);
    fs->root = kg_disk_u32(boot + 96);
    fs->block = 1u << (shift + cluster_shift);
    fs->bits = 32;
    fs->table = (table + (second ? table_sectors : 0)) << shift;
    fs->heap = heap << shift;
    if (fs->n_units == 0 || fs->n_units > UINT32_MAX - 11 || fs->root < 2 || fs->root >= fs->n_units + 2ull ||
        table_sectors << shift < (fs->n_units + 2ull) * 4 || table < 24 || table + table_sectors * boot[110] > heap ||
        sectors > fs->size >> shift || heap > sectors || fs->n_units > (sectors - heap) >> cluster_shift) {
        return KG_E_INPUT;
    }
    return check_boot(fs, 1u << shift) ? KG_OK : KG_E_INPUT;
}

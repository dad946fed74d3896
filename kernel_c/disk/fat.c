/* FAT12, FAT16 and FAT32, with long names. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/mem.h"

#define ENTRY KG_FAT_ENTRY
#define LONG_UNITS 13u /* characters of one entry of a long name */
#define LONG_MOST 20u  /* entries of one name */
#define FAT_DIRECTORY_MOST (65536ull * ENTRY)

#define ATTRIBUTE_VOLUME 0x08
#define ATTRIBUTE_DIRECTORY 0x10
#define ATTRIBUTE_LONG 0x0F

static bool is_power_of_two(uint32_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

bool kg_fat_begins(const uint8_t *boot)
{
    uint32_t sector = kg_disk_u16(boot + 11), fats = boot[16];
    return (boot[0] == 0xEB || boot[0] == 0xE9) && boot[510] == 0x55 && boot[511] == 0xAA && sector >= 512 &&
           sector <= 4096 && is_power_of_two(sector) && is_power_of_two(boot[13]) && kg_disk_u16(boot + 14) != 0 &&
           (fats == 1 || fats == 2) && (boot[21] == 0xF0 || boot[21] >= 0xF8);
}

/* Two bytes of a FAT12 may lie in two sectors. */
static bool entry_of_fat12(struct kg_fs *fs, uint32_t cluster, uint32_t *value)
{
    uint64_t at = fs->table + cluster + cluster / 2;
    const uint8_t *byte = kg_fs_cached(fs, at, 1);
    uint32_t low = byte ? *byte : 0;
    const uint8_t *high = byte ? kg_fs_cached(fs, at + 1, 1) : NULL;
    if (!high) {
        return false;
    }
    uint32_t both = low | (uint32_t)*high << 8;
    *value = cluster & 1 ? both >> 4 : both & 0xFFF;
    return true;
}

/* The cluster after `cluster`. 0: it is the last one. */
static bool next_cluster(struct kg_fs *fs, uint32_t cluster, uint32_t *next)
{
    uint32_t value = 0;
    if (fs->bits == 12) {
        if (!entry_of_fat12(fs, cluster, &value)) {
            return false;
        }
        value |= value >= 0xFF8 ? 0x0FFFF000u : 0;
    } else {
        uint32_t bytes = fs->bits / 8;
        const uint8_t *entry = kg_fs_cached(fs, fs->table + (uint64_t)cluster * bytes, bytes);
        if (!entry) {
            return false;
        }
        value = bytes == 2 ? kg_disk_u16(entry) : kg_disk_u32(entry);
        value |= bytes == 2 && value >= 0xFFF8 ? 0x0FFF0000u : 0;
        value &= fs->kind == KG_FS_FAT ? 0x0FFFFFFFu : UINT32_MAX;
    }
    uint32_t end = fs->kind == KG_FS_FAT ? 0x0FFFFFF8u : UINT32_MAX;
    if (value < end && (value < 2 || value >= fs->n_units + 2ull)) {
        return kg_fs_fail(fs, "a chain of clusters is damaged");
    }
    *next = value < end ? value : 0;
    return true;
}

/* Follows the chain to the `index`-th cluster of the file. 0: the chain is shorter. */
static bool walk_chain(struct kg_fs_file *file, uint64_t index, uint32_t *cluster)
{
    struct kg_fs *fs = file->fs;
    if (file->at_unit < 2 || file->at > index) {
        file->at = 0;
        file->at_unit = file->first;
    }
    *cluster = (uint32_t)file->at_unit;
    while (file->at < index) {
        if (!next_cluster(fs, *cluster, cluster)) {
            return false;
        }
        if (!*cluster) {
            return true;
        }
        file->at++;
        file->at_unit = *cluster;
    }
    return true;
}

/* Bytes from `offset` on that lie together, at most `most` of them. */
static bool extend_run(struct kg_fs_file *file, uint64_t most, struct kg_extent *extent)
{
    struct kg_fs *fs = file->fs;
    uint32_t next;
    while (extent->n < most) {
        if (!next_cluster(fs, (uint32_t)file->at_unit, &next)) {
            return false;
        }
        if (next != file->at_unit + 1) {
            break;
        }
        file->at++;
        file->at_unit = next;
        extent->n += fs->block;
    }
    return true;
}

bool kg_fat_extent(struct kg_fs_file *file, uint64_t offset, struct kg_extent *extent)
{
    struct kg_fs *fs = file->fs;
    uint64_t left = file->size - offset, index = offset / fs->block;
    uint32_t cluster;
    *extent = (struct kg_extent){.n = left};
    if (file->fixed) {
        extent->offset = file->first + offset;
        return true;
    }
    if (file->first < 2 || file->first >= fs->n_units + 2ull || index >= fs->n_units) {
        return kg_fs_fail(fs, "a file points beyond the clusters");
    }
    if (file->contiguous) {
        if ((file->size + fs->block - 1) / fs->block > fs->n_units + 2ull - file->first) {
            return kg_fs_fail(fs, "a file points beyond the clusters");
        }
        extent->offset = fs->heap + (file->first - 2) * fs->block + offset;
        return true;
    }
    if (!walk_chain(file, index, &cluster)) {
        return false;
    }
    if (!cluster) {
        return kg_fs_fail(fs, "a chain of clusters is shorter than its file");
    }
    extent->offset = fs->heap + (cluster - 2ull) * fs->block + offset % fs->block;
    extent->n = fs->block - offset % fs->block;
    if (!file->directory && !extend_run(file, left, extent)) {
        return false;
    }
    extent->n = extent->n < left ? extent->n : left;
    return true;
}

static uint8_t short_name_sum(const uint8_t *entry)
{
    uint8_t sum = 0;
    for (uint32_t i = 0; i < 11; i++) {
        sum = (uint8_t)((sum << 7 | sum >> 1) + entry[i]);
    }
    return sum;
}

/* "NAME.EXT"; letters above ASCII depend on a code page and become "?". */
static void short_name(const uint8_t *entry, char *name)
{
    size_t n = 0;
    for (uint32_t i = 0; i < 11; i++) {
        uint8_t c = entry[i];
        bool lower = (entry[12] & (i < 8 ? 0x08 : 0x10)) != 0;
        if (c == ' ') {
            continue;
        }
        if (i == 8) {
            name[n++] = '.';
        }
        name[n++] = c >= 0x80 || c < 0x20 ? '?' : lower && c >= 'A' && c <= 'Z' ? (char)(c + 32) : (char)c;
    }
    name[n] = '\0';
}

/* A long name, which stands before the entry of its file, last part first. */
struct long_name {
    uint8_t units[2 * LONG_UNITS * LONG_MOST];
    uint32_t n;    /* parts */
    uint32_t left; /* parts that are still to come; 0: complete, or none */
    uint8_t sum;
};

static void add_long_part(struct long_name *name, const uint8_t *entry)
{
    static const uint8_t places[LONG_UNITS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
    uint32_t number = entry[0] & 0x3F;
    if (entry[0] & 0x40) {
        memset(name->units, 0, sizeof name->units);
        name->n = name->left = number <= LONG_MOST ? number : 0;
        name->sum = entry[13];
    }
    if (number == 0 || number != name->left || entry[13] != name->sum) {
        name->n = name->left = 0;
        return;
    }
    name->left--;
    for (uint32_t i = 0; i < LONG_UNITS; i++) {
        memcpy(name->units + 2 * (name->left * LONG_UNITS + i), entry + places[i], 2);
    }
}

static void set_file(struct kg_fs *fs, const uint8_t *raw, struct kg_fs_file *file)
{
    bool directory = (raw[11] & ATTRIBUTE_DIRECTORY) != 0;
    uint32_t high = fs->bits == 32 ? kg_disk_u16(raw + 20) : 0;
    *file = (struct kg_fs_file){.fs = fs, .directory = directory, .first = high << 16 | kg_disk_u16(raw + 26)};
    uint64_t most = (uint64_t)fs->n_units * fs->block;
    file->size = !directory ? kg_disk_u32(raw + 28) : most < FAT_DIRECTORY_MOST ? most : FAT_DIRECTORY_MOST;
    file->valid = file->size;
}

bool kg_fat_dir_read(struct kg_fs_file *directory, uint64_t position, uint8_t raw[ENTRY], bool *ended)
{
    struct kg_fs *fs = directory->fs;
    uint32_t cluster = 2;
    bool chained =
        !directory->fixed && !directory->contiguous && directory->first >= 2 && directory->first < fs->n_units + 2ull;
    *ended = position >= directory->size;
    if (!*ended && chained) {
        if (!walk_chain(directory, position / fs->block, &cluster)) {
            return false;
        }
        *ended = cluster == 0;
    }
    return *ended || kg_fs_read(directory, position, ENTRY, raw);
}

static enum kg_fs_next next_of_fat(struct kg_fs_file *directory, uint64_t *position, struct kg_fs_entry *entry)
{
    struct long_name name = {.n = 0};
    uint8_t raw[ENTRY];
    bool ended;
    for (;; *position += ENTRY) {
        if (!kg_fat_dir_read(directory, *position, raw, &ended)) {
            return KG_FS_BAD;
        }
        if (ended || raw[0] == 0) {
            return KG_FS_END;
        }
        bool deleted = raw[0] == 0xE5;
        if (!deleted && (raw[11] & 0x3F) == ATTRIBUTE_LONG) {
            add_long_part(&name, raw);
            continue;
        }
        if (deleted || (raw[11] & ATTRIBUTE_VOLUME) || raw[0] == '.' || raw[0] == ' ') {
            name.n = 0;
            continue;
        }
        break;
    }
    *position += ENTRY;
    set_file(directory->fs, raw, &entry->file);
    bool has_long = name.n && !name.left && name.sum == short_name_sum(raw);
    size_t n = has_long ? kg_disk_utf8(name.units, name.n * LONG_UNITS, entry->name, 0, sizeof entry->name) : 0;
    if (n == 0 || n >= sizeof entry->name) {
        raw[0] = raw[0] == 0x05 ? 0xE5 : raw[0];
        short_name(raw, entry->name);
    }
    return KG_FS_ENTRY;
}

static const struct kg_fs_calls calls_of_fat = {next_of_fat, kg_fat_extent, NULL};

enum kg_status kg_fat_open(struct kg_fs *fs, const uint8_t *boot)
{
    if (!kg_fat_begins(boot)) {
        return KG_E_INPUT;
    }
    uint32_t sector = kg_disk_u16(boot + 11), reserved = kg_disk_u16(boot + 14);
    uint32_t root_entries = kg_disk_u16(boot + 17);
    uint32_t sectors = kg_disk_u16(boot + 19) ? kg_disk_u16(boot + 19) : kg_disk_u32(boot + 32);
    uint32_t fat = kg_disk_u16(boot + 22) ? kg_disk_u16(boot + 22) : kg_disk_u32(boot + 36);
    uint32_t root_sectors = (root_entries * ENTRY + sector - 1) / sector;
    uint64_t before = reserved + (uint64_t)fat * boot[16] + root_sectors;
    fs->type = "FAT";
    if (fat == 0 || before >= sectors || (uint64_t)sectors * sector > fs->size) {
        kg_fs_fail(fs, "the boot sector of a FAT file system is damaged");
        return KG_E_INPUT;
    }
    fs->calls = &calls_of_fat;
    fs->kind = KG_FS_FAT;
    fs->block = sector * boot[13];
    fs->n_units = (uint32_t)((sectors - before) / boot[13]);
    fs->bits = fs->n_units < 4085 ? 12 : fs->n_units < 65525 ? 16 : 32;
    fs->type = fs->bits == 12 ? "FAT12" : fs->bits == 16 ? "FAT16" : "FAT32";
    fs->table = (uint64_t)reserved * sector;
    fs->heap = before * sector;
    fs->cache_size = sector;
    fs->root = fs->bits == 32 ? kg_disk_u32(boot + 44) : fs->heap - (uint64_t)root_sectors * sector;
    fs->root_size = root_entries * ENTRY;
    bool bad_root = fs->bits == 32 && (fs->root < 2 || fs->root >= fs->n_units + 2ull);
    if ((uint64_t)fat * sector * 8 / fs->bits < fs->n_units + 2ull || bad_root || (fs->bits != 32 && !root_entries)) {
        kg_fs_fail(fs, "the boot sector of a FAT file system is damaged");
        return KG_E_INPUT;
    }
    return KG_OK;
}

/* Partition tables: MBR with logical partitions, and GPT with both headers. See kgpt/disk.h. */
#include "fs.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define MBR_TABLE 446u
#define MBR_ENTRY 16u
#define TYPE_GPT 0xEE
#define LOGICAL_MOST 64u /* bound of the chain of extended partitions */

#define GPT_HEADER_LEAST 92u
#define GPT_ENTRY_LEAST 128u
#define GPT_TABLE_MOST 65536u
#define SECTOR_MOST 4096u

static bool is_extended(uint8_t type)
{
    return type == 0x05 || type == 0x0F || type == 0x85;
}

/* The CRC of the table of partitions. */
static bool table_crc(const struct kg_parts *parts, uint32_t *crc)
{
    uint8_t chunk[512];
    uint64_t size = (uint64_t)parts->n * parts->each;
    *crc = KG_CRC32_BEGIN;
    for (uint64_t at = 0; at < size; at += sizeof chunk) {
        size_t n = size - at < sizeof chunk ? (size_t)(size - at) : sizeof chunk;
        if (!kg_disk_read(parts->disk, parts->entries + at, n, chunk)) {
            return false;
        }
        *crc = kg_crc32_more(*crc, chunk, n);
    }
    *crc = ~*crc;
    return true;
}

/* The header of a GPT in sector `lba`, and its table: both check sums must be right. */
static bool open_gpt(struct kg_parts *parts, uint64_t lba)
{
    uint8_t header[SECTOR_MOST];
    uint32_t sector = parts->disk->sector_size;
    uint64_t sectors = parts->disk->size / sector;
    if (lba >= sectors || !kg_disk_read(parts->disk, lba * sector, sector, header) ||
        memcmp(header, "EFI PART", 8) != 0) {
        return false;
    }
    uint32_t size = kg_disk_u32(header + 12), crc = kg_disk_u32(header + 16), found;
    if (size < GPT_HEADER_LEAST || size > sector) {
        return false;
    }
    memset(header + 16, 0, 4);
    if (kg_crc32(header, size) != crc || kg_disk_u64(header + 24) != lba) {
        return false;
    }
    uint64_t table = kg_disk_u64(header + 72);
    parts->n = kg_disk_u32(header + 80);
    parts->each = kg_disk_u32(header + 84);
    if (table >= sectors || parts->each < GPT_ENTRY_LEAST || parts->each > GPT_TABLE_MOST || parts->n == 0 ||
        parts->n > GPT_TABLE_MOST / parts->each) {
        return false;
    }
    parts->entries = table * sector;
    return table_crc(parts, &found) && found == kg_disk_u32(header + 88);
}

void kg_parts_open(struct kg_parts *parts, const struct kg_disk *disk)
{
    uint8_t mbr[512];
    *parts = (struct kg_parts){.disk = disk, .kind = KG_PARTS_NONE};
    if (!kg_disk_read(disk, 0, sizeof mbr, mbr)) {
        parts->problem = "the first sector cannot be read";
        return;
    }
    if (mbr[510] != 0x55 || mbr[511] != 0xAA || kg_fat_begins(mbr)) {
        return;
    }
    bool protective = false, used = false;
    for (uint32_t i = 0; i < 4; i++) {
        const uint8_t *entry = mbr + MBR_TABLE + i * MBR_ENTRY;
        if ((entry[0] & 0x7F) != 0) { /* neither 0 nor 0x80: the boot sector of a file system */
            return;
        }
        protective = protective || entry[4] == TYPE_GPT;
        used = used || entry[4] != 0;
    }
    if (!protective) {
        parts->kind = used ? KG_PARTS_MBR : KG_PARTS_NONE;
        return;
    }
    uint64_t sectors = disk->size / disk->sector_size;
    if (!open_gpt(parts, 1)) {
        parts->backup = true;
        if (sectors < 2 || !open_gpt(parts, sectors - 1)) {
            parts->problem = "both copies of its GPT are damaged";
            return;
        }
    }
    parts->kind = KG_PARTS_GPT;
}

/* Fills `part` from sectors. False: they exceed the disk. */
static bool set_part(const struct kg_parts *parts, uint64_t first, uint64_t n, uint32_t number, struct kg_part *part)
{
    uint32_t sector = parts->disk->sector_size;
    uint64_t sectors = parts->disk->size / sector;
    *part = (struct kg_part){.number = number};
    if (n == 0 || first >= sectors || n > sectors - first) {
        return false;
    }
    part->first = first * sector;
    part->size = n * sector;
    return true;
}

/* The `i`-th logical partition in the chain that begins at sector `extended`. */
static bool get_logical(const struct kg_parts *parts, uint64_t extended, uint32_t i, struct kg_part *part)
{
    uint8_t table[512];
    uint64_t at = extended;
    for (uint32_t step = 0; step < LOGICAL_MOST; step++) {
        if (at >= parts->disk->size / parts->disk->sector_size ||
            !kg_disk_read(parts->disk, at * parts->disk->sector_size, sizeof table, table) || table[510] != 0x55 ||
            table[511] != 0xAA) {
            return false;
        }
        const uint8_t *entry = table + MBR_TABLE, *next = entry + MBR_ENTRY;
        if (entry[4] != 0 && set_part(parts, at + kg_disk_u32(entry + 8), kg_disk_u32(entry + 12), step + 5, part) &&
            i-- == 0) {
            part->mbr_type = entry[4];
            return true;
        }
        if (!is_extended(next[4]) || kg_disk_u32(next + 8) == 0) {
            return false;
        }
        at = extended + kg_disk_u32(next + 8);
    }
    return false;
}

static bool get_mbr(const struct kg_parts *parts, uint32_t i, struct kg_part *part)
{
    uint8_t mbr[512];
    uint64_t extended = 0;
    if (!kg_disk_read(parts->disk, 0, sizeof mbr, mbr)) {
        return false;
    }
    for (uint32_t j = 0; j < 4; j++) {
        const uint8_t *entry = mbr + MBR_TABLE + j * MBR_ENTRY;
        if (is_extended(entry[4])) {
            extended = extended ? extended : kg_disk_u32(entry + 8);
        } else if (entry[4] != 0 && set_part(parts, kg_disk_u32(entry + 8), kg_disk_u32(entry + 12), j + 1, part) &&
                   i-- == 0) {
            part->mbr_type = entry[4];
            return true;
        }
    }
    return extended && get_logical(parts, extended, i, part);
}

static bool get_gpt(const struct kg_parts *parts, uint32_t i, struct kg_part *part)
{
    static const uint8_t unused[16];
    uint8_t entry[GPT_ENTRY_LEAST];
    for (uint32_t j = 0; j < parts->n; j++) {
        if (!kg_disk_read(parts->disk, parts->entries + (uint64_t)j * parts->each, sizeof entry, entry)) {
            return false;
        }
        uint64_t first = kg_disk_u64(entry + 32), last = kg_disk_u64(entry + 40);
        if (memcmp(entry, unused, sizeof unused) == 0 || last < first || last == UINT64_MAX ||
            !set_part(parts, first, last - first + 1, j + 1, part) || i-- != 0) {
            continue;
        }
        memcpy(part->guid_type, entry, 16);
        memcpy(part->guid, entry + 16, 16);
        size_t n = kg_disk_utf8(entry + 56, 36, part->name, 0, sizeof part->name);
        kg_utf8_printable(part->name, n, false);
        return true;
    }
    return false;
}

bool kg_parts_get(const struct kg_parts *parts, uint32_t i, struct kg_part *part)
{
    switch (i < KG_PARTS_MOST ? parts->kind : KG_PARTS_NONE) {
    case KG_PARTS_MBR: return get_mbr(parts, i, part);
    case KG_PARTS_GPT: return get_gpt(parts, i, part);
    default: return false;
    }
}

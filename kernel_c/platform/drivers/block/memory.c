/* The medium of the memory that lasts: a disk that begins with the magic of a store, which `kgpt memory make` made.
 * Nothing else is ever written. */
#include "kgpt/medium.h"
#include "kgpt/mem.h"
#include "kgpt/platform.h"
#include "platform/drivers/devices.h"

#define BLOCK 4096u
#define MAGIC_SIZE 8u

static bool read_disk_memory(void *context, uint64_t offset, void *to, size_t n)
{
    struct kg_unit *unit = context;
    uint32_t sector = unit->block.sector_size;
    return kg_block_read(unit, offset / sector, n / sector, to);
}

static bool write_disk_memory(void *context, uint64_t offset, const void *from, size_t n)
{
    struct kg_unit *unit = context;
    uint32_t sector = unit->block.sector_size;
    return kg_block_write(unit, offset / sector, n / sector, from);
}

static bool begins_with_magic(struct kg_unit *unit)
{
    uint8_t block[BLOCK] __attribute__((aligned(16)));
    uint32_t sector = unit->block.sector_size;
    return unit->block.sectors >= BLOCK / sector && kg_block_read(unit, 0, BLOCK / sector, block) &&
           memcmp(block, KG_STORE_MAGIC, MAGIC_SIZE) == 0;
}

const char *plat_memory(struct kg_store_medium *medium)
{
    struct kg_unit *unit, *found = NULL;
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_BLOCK, i)) != NULL; i++) {
        if (begins_with_magic(unit)) {
            if (found) {
                return "two disks hold one: take one of them away";
            }
            found = unit;
        }
    }
    if (!found) {
        return "no disk holds one";
    }
    bool writable = kg_block_open(found, 0, found->block.sectors);
    *medium = (struct kg_store_medium){.context = found,
                                       .size = found->block.sectors * found->block.sector_size,
                                       .read = read_disk_memory,
                                       .write = writable ? write_disk_memory : NULL};
    return NULL;
}

#include "paging.h"

#include "platform/common/memory.h"
#include "platform/common/processor.h"
#include "platform/common/translation.h"
#include "registers.h"

/* Descriptors: Arm Architecture Reference Manual, D8.3. */
#define VALID (1ull << 0)
#define TABLE_OR_PAGE (1ull << 1)          /* a block of 2 MiB has it clear */
#define ATTRIBUTES(i) ((uint64_t)(i) << 2) /* an index into MAIR_EL1: boot/aarch64/registers.h */
#define READ_ONLY (1ull << 7)
#define INNER_SHAREABLE (3ull << 8)
#define ACCESSED (1ull << 10)
#define NO_EXECUTE (3ull << 53) /* PXN, UXN */

#define REGISTERS ATTRIBUTES(0)
#define MEMORY (ATTRIBUTES(1) | INNER_SHAREABLE)
#define COMBINING (ATTRIBUTES(2) | INNER_SHAREABLE)

#define WIDEST 5 /* of ID_AA64MMFR0_EL1.PARange: 48 bits */

void kg_entry_replace(uint64_t *entry, uint64_t value); /* boot/aarch64/entry.S */

#define MAPPED (VALID | ACCESSED)

struct kg_entry_bits kg_entry_bits = {
    .access =
        {
            0,
            MAPPED | MEMORY | READ_ONLY,
            MAPPED | MEMORY | READ_ONLY | NO_EXECUTE,
            MAPPED | MEMORY | NO_EXECUTE,
            MAPPED | REGISTERS | NO_EXECUTE,
            MAPPED | COMBINING | NO_EXECUTE,
        },
    .small = TABLE_OR_PAGE,
    .table = VALID | TABLE_OR_PAGE,
};

static bool in_use; /* the tables are */

void kg_entry_set(uint64_t *entry, uint64_t value)
{
    if (in_use && (*entry & VALID) && *entry != value) {
        kg_entry_replace(entry, value);
    } else {
        *(volatile uint64_t *)entry = value;
    }
}

void kg_translation_use(const uint64_t *root)
{
    kg_dsb();
    KG_WRITE_REGISTER(ttbr0_el1, (uintptr_t)root);
    in_use = true;
    kg_translation_changed(false);
}

/* kg_entry_replace has flushed old entries. Memory is not cleaned from caches: what becomes a device's is not RAM. */
void kg_translation_changed(bool uncached)
{
    (void)uncached;
    kg_dsb();
    __asm__ volatile("tlbi vmalle1is" : : : "memory");
    kg_dsb();
    kg_isb();
}

uint64_t kg_translation_end(void)
{
    static const uint8_t bits[] = {32, 36, 40, 42, 44, 48};
    uint64_t range = KG_READ_REGISTER(id_aa64mmfr0_el1) & 15;
    return 1ull << bits[range < WIDEST ? range : WIDEST];
}

bool kg_paging_init(const struct kg_boot *boot)
{
    if (!kg_paging_begin()) {
        return false;
    }
    for (size_t i = 0; i < boot->n_regions; i++) {
        const struct kg_region *region = &boot->regions[i];
        uint64_t from = (region->base + KG_PAGE - 1) & ~(KG_PAGE - 1),
                 end = (region->base + region->size) & ~(KG_PAGE - 1);
        if (region->type == KG_REGION_RAM && !kg_paging_memory(from, end)) {
            return false;
        }
    }
    return kg_paging_protect();
}

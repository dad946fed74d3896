/* RAM for the kernel, from the firmware's memory map. Real maps have a few hundred descriptors, and many of them are
 * neighbours that were used for different purposes; some are unsorted, and a few overlap. */
#include "loader.h"

#define GIB_SHIFT 30

/* The descriptors of a map. They are larger than the structure that this file knows. */
struct map {
    uint8_t *bytes;
    size_t n, step;
};

static struct map map_of(void *map, uint64_t bytes, uint64_t descriptor_size)
{
    bool known = descriptor_size >= sizeof(struct kg_efi_memory) && descriptor_size % 8 == 0;
    return (struct map){map, known ? bytes / descriptor_size : 0, descriptor_size};
}

static struct kg_efi_memory *descriptor_at(const struct map *map, size_t i)
{
    return (struct kg_efi_memory *)(map->bytes + i * map->step);
}

static void swap_descriptors(const struct map *map, size_t a, size_t b)
{
    uint64_t *left = (uint64_t *)descriptor_at(map, a), *right = (uint64_t *)descriptor_at(map, b);
    for (size_t i = 0; i < map->step / sizeof *left; i++) {
        uint64_t kept = left[i];
        left[i] = right[i];
        right[i] = kept;
    }
}

static void sift_descriptor(const struct map *map, size_t root, size_t n)
{
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && descriptor_at(map, child)->base < descriptor_at(map, child + 1)->base) {
            child++;
        }
        if (descriptor_at(map, root)->base >= descriptor_at(map, child)->base) {
            return;
        }
        swap_descriptors(map, root, child);
    }
}

/* Heapsort by address: in place, O(n log n) in the worst case. */
static void sort_map(const struct map *map)
{
    for (size_t i = map->n / 2; i-- > 0;) {
        sift_descriptor(map, i, map->n);
    }
    for (size_t end = map->n; end-- > 1;) {
        swap_descriptors(map, 0, end);
        sift_descriptor(map, 0, end);
    }
}

/* True for memory that is the kernel's when boot services have ended. */
static bool is_ram(const struct kg_efi_memory *memory)
{
    bool free = (memory->type >= KG_EFI_LOADER_CODE && memory->type <= KG_EFI_BOOT_SERVICES_DATA) ||
                memory->type == KG_EFI_CONVENTIONAL_MEMORY;
    return free && !(memory->attributes & KG_EFI_MEMORY_SP);
}

/* The end of a descriptor. An impossible size ends at the last page. */
static uint64_t end_of(const struct kg_efi_memory *memory)
{
    uint64_t most = (UINT64_MAX - memory->base) / KG_UEFI_PAGE;
    return memory->base + (memory->pages < most ? memory->pages : most) * KG_UEFI_PAGE;
}

/* True for memory that holds something: all but what may be devices, and broken memory. */
static bool is_memory(const struct kg_efi_memory *memory)
{
    return memory->type >= KG_EFI_LOADER_CODE && memory->type <= KG_EFI_ACPI_MEMORY_NVS &&
           memory->type != KG_EFI_UNUSABLE_MEMORY;
}

void kg_uefi_mark_memory(uint64_t marks[KG_UEFI_MARKS], void *bytes, uint64_t size, uint64_t descriptor_size)
{
    struct map map = map_of(bytes, size, descriptor_size);
    for (size_t i = 0; i < map.n; i++) {
        const struct kg_efi_memory *memory = descriptor_at(&map, i);
        uint64_t end = end_of(memory);
        for (uint64_t gib = memory->base >> GIB_SHIFT;
             is_memory(memory) && gib < 64 * KG_UEFI_MARKS && gib << GIB_SHIFT < end; gib++) {
            marks[gib / 64] |= UINT64_C(1) << gib % 64;
        }
    }
}

/* Adds a region; in a full table it takes the place of the smallest one, if that is smaller. */
static void keep_region(struct kg_boot *boot, uint64_t base, uint64_t end)
{
    if (base >= end) {
        return;
    }
    if (boot->n_regions < KG_BOOT_MAX_REGIONS) {
        kg_boot_add_region(boot, base, end - base, KG_REGION_RAM);
        return;
    }
    struct kg_region *smallest = &boot->regions[0];
    for (size_t i = 1; i < boot->n_regions; i++) {
        smallest = boot->regions[i].size < smallest->size ? &boot->regions[i] : smallest;
    }
    if (smallest->size < end - base) {
        *smallest = (struct kg_region){base, end - base, KG_REGION_RAM};
    }
}

void kg_uefi_add_memory(struct kg_boot *boot, void *bytes, uint64_t size, uint64_t descriptor_size)
{
    struct map map = map_of(bytes, size, descriptor_size);
    uint64_t base = 0, end = 0, taken = 0; /* the run of RAM so far; end of what is not RAM so far */
    sort_map(&map);
    for (size_t i = 0; i < map.n; i++) {
        const struct kg_efi_memory *memory = descriptor_at(&map, i);
        uint64_t from = memory->base, to = end_of(memory);
        if (from >= to) {
            continue;
        }
        if (!is_ram(memory)) {
            taken = to > taken ? to : taken;
            keep_region(boot, base, from < end ? from : end);
            base = to > base ? to : base; /* what the run has behind this descriptor */
            continue;
        }
        from = from > taken ? from : taken;
        if (from >= to) {
            continue;
        }
        if (from > end || base >= end) {
            keep_region(boot, base, end);
            base = from;
        }
        end = to > end ? to : end;
    }
    keep_region(boot, base, end);
}

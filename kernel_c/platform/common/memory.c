#include "memory.h"

#define LOW_MEMORY 0x100000ull /* BIOS data, EBDA, VGA: ours is one page of it */
#define LOW_FIRST 0x10000ull   /* firmware may still write to what is below */
#define LOW_END 0xA0000ull     /* VGA */

/* For changes of the page tables while the application runs: registers of a timer, or to switch off; tables above 4 GiB. */
#define PAGES_KEPT 16

struct range {
    uint64_t base, end;
};

extern char kg_image_start[];
extern const uint32_t kg_multiboot1_header[];

#define LOAD_END_ADDR 5 /* a word of the header */

static struct range best;   /* becomes the arena */
static struct range low;    /* gives the page tables: the entry code mapped no more than 4 GiB */
static uint64_t start_page; /* below 1 MiB; 0: there is none */
static uint64_t total, highest;

/* Not the linker's kg_image_end: `kgpt pack` puts a model of another size there, and the header is where it says so. */
uintptr_t kg_memory_image_end(void)
{
    return kg_multiboot1_header[LOAD_END_ADDR];
}

static void keep_larger(struct range *kept, uint64_t base, uint64_t end)
{
    if (base < end && end - base > kept->end - kept->base) {
        *kept = (struct range){base, end};
    }
}

static void keep(uint64_t base, uint64_t end)
{
    base = (base + KG_PAGE - 1) & ~(KG_PAGE - 1);
    end &= ~(KG_PAGE - 1);
    if (end <= LOW_MEMORY) {
        if (base < end && !start_page) {
            start_page = base;
        }
        return;
    }
    keep_larger(&best, base, end);
    keep_larger(&low, base, end < KG_FOUR_GIB ? end : KG_FOUR_GIB);
}

static bool overlaps(struct range a, struct range b)
{
    return a.base < b.end && b.base < a.end;
}

/* The i-th thing in RAM that must survive: the image, the framebuffer (which maps may call RAM), then regions that are not RAM (maps may overlap), then modules. */
static bool reserved_range(const struct kg_boot *boot, size_t i, struct range *out)
{
    if (i == 0) {
        *out = (struct range){(uintptr_t)kg_image_start, kg_memory_image_end()};
        return true;
    }
    if (i == 1) {
        const struct kg_framebuffer *fb = &boot->framebuffer;
        *out = (struct range){fb->base, fb->base + (uint64_t)fb->format.pitch * fb->format.height};
        return true;
    }
    i -= 2;
    if (i < boot->n_regions) {
        const struct kg_region *region = &boot->regions[i];
        *out = region->type == KG_REGION_RAM ? (struct range){0, 0}
                                             : (struct range){region->base, region->base + region->size};
        return true;
    }
    i -= boot->n_regions;
    if (i >= boot->n_modules) {
        return false;
    }
    *out = (struct range){boot->modules[i].base, boot->modules[i].base + boot->modules[i].size};
    return true;
}

/* Cuts what is reserved out of one region of RAM: find the lowest overlap, offer what lies before it, go on behind it. */
static void offer(const struct kg_boot *boot, struct range ram)
{
    while (ram.base < ram.end) {
        struct range first = {ram.end, ram.end}, other;
        for (size_t i = 0; reserved_range(boot, i, &other); i++) {
            if (overlaps(ram, other) && (first.base == ram.end || other.base < first.base)) {
                first = other;
            }
        }
        keep(ram.base, first.base);
        if (first.end <= ram.base) {
            return;
        }
        ram.base = first.end;
    }
}

bool kg_memory_init(const struct kg_boot *boot)
{
    for (size_t i = 0; i < boot->n_regions; i++) {
        const struct kg_region *region = &boot->regions[i];
        if (region->type != KG_REGION_RAM) {
            continue;
        }
        uint64_t end = region->base + region->size;
        total += region->size;
        if (end > highest) {
            highest = end;
        }
        if (region->base < LOW_END) {
            offer(boot,
                  (struct range){region->base > LOW_FIRST ? region->base : LOW_FIRST, end < LOW_END ? end : LOW_END});
        }
        offer(boot, (struct range){region->base > LOW_MEMORY ? region->base : LOW_MEMORY, end});
    }
    return low.end > low.base;
}

uint64_t kg_memory_total(void)
{
    return total;
}

uint64_t kg_memory_highest(void)
{
    return highest;
}

void *kg_memory_pages(size_t n)
{
    size_t size = n * KG_PAGE;
    if (low.end - low.base < size) {
        return NULL;
    }
    uint64_t *pages = (uint64_t *)low.base;
    if (best.base == low.base) {
        best.base += size; /* one and the same run */
    }
    low.base += size;
    for (size_t i = 0; i < size / sizeof *pages; i++) {
        pages[i] = 0;
    }
    return pages;
}

void *kg_memory_page(void)
{
    return kg_memory_pages(1);
}

void kg_memory_give(void *base, size_t size)
{
    uint64_t first = ((uintptr_t)base + KG_PAGE - 1) & ~(KG_PAGE - 1);
    low = (struct range){first, ((uintptr_t)base + size) & ~(KG_PAGE - 1)};
}

uint64_t kg_memory_start_page(void)
{
    return start_page;
}

void *kg_memory_arena(size_t *size)
{
    uint64_t kept = low.base + PAGES_KEPT * KG_PAGE;
    low.end = kept < low.end ? kept : low.end;
    if (best.base == low.base) { /* one and the same run */
        best.base = low.end;
    }
    *size = best.end - best.base;
    return (void *)best.base;
}

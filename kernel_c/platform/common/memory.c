#include "memory.h"

#include "kgpt/device.h"
#include "kgpt/platform.h"
#include "processor.h"

#define LOW_MEMORY 0x100000ull /* BIOS data, EBDA, VGA; the kernel uses one page of it */
#define LOW_FIRST 0x10000ull   /* firmware may still write below this address */
#define LOW_END 0xA0000ull     /* start of VGA memory */

/* Pages reserved from the arena, if no other run is as large: for page tables and devices while the application
 * runs. */
#define PAGES_KEPT 16

#define MOST_RUNS 32

struct range {
    uint64_t base, end;
};

extern char kg_image_start[];

static struct range best;            /* the largest run: becomes the arena */
static struct range runs[MOST_RUNS]; /* the other runs: page frames for page tables and DMA */
static uint64_t start_page;          /* below 1 MiB; 0: none */
static uint64_t total, highest, outside, taken;
static uintptr_t image_end;
static bool arena_given;

uintptr_t kg_memory_image_end(void)
{
    return image_end;
}

static uint64_t run_length(struct range run)
{
    return run.end - run.base;
}

static size_t smallest_run(void)
{
    size_t smallest = 0;
    for (size_t i = 1; i < MOST_RUNS; i++) {
        smallest = run_length(runs[i]) < run_length(runs[smallest]) ? i : smallest;
    }
    return smallest;
}

/* Keeps the largest run as the arena, and the largest of the other runs. */
static void keep_run(struct range run)
{
    if (run_length(run) > run_length(best)) {
        struct range smaller = best;
        best = run;
        run = smaller;
    }
    struct range *smallest = &runs[smallest_run()];
    if (run_length(run) > run_length(*smallest)) {
        *smallest = run;
    }
}

static void keep_usable(uint64_t base, uint64_t end)
{
    base = (base + KG_PAGE - 1) & ~(KG_PAGE - 1);
    end &= ~(KG_PAGE - 1);
    if (base >= end) {
        return;
    }
    if (end > LOW_MEMORY) {
        keep_run((struct range){base, end});
    } else if (!start_page) {
        start_page = base;
    }
}

static bool runs_overlap(struct range a, struct range b)
{
    return a.base < b.end && b.base < a.end;
}

/* The i-th reserved range: the kernel, the framebuffer (some memory maps declare it RAM), regions that are not RAM
 * (regions may overlap), RAM regions before `own`, which were offered already, and modules. */
static bool reserved_range(const struct kg_boot *boot, size_t own, size_t i, struct range *out)
{
    if (i == 0) {
        *out = (struct range){(uintptr_t)kg_image_start, image_end};
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
        bool free_ram = region->type == KG_REGION_RAM && i >= own;
        *out = free_ram ? (struct range){0, 0} : (struct range){region->base, region->base + region->size};
        return true;
    }
    i -= boot->n_regions;
    if (i >= boot->n_modules) {
        return false;
    }
    *out = (struct range){boot->modules[i].base, boot->modules[i].base + boot->modules[i].size};
    return true;
}

/* Offers the parts of RAM region `own` that are not reserved: finds the lowest reserved range, offers the RAM before
 * it, and continues after it. */
static void offer_region(const struct kg_boot *boot, size_t own, struct range ram)
{
    while (ram.base < ram.end) {
        struct range first = {ram.end, ram.end}, other;
        for (size_t i = 0; reserved_range(boot, own, i, &other); i++) {
            if (runs_overlap(ram, other) && (first.base == ram.end || other.base < first.base)) {
                first = other;
            }
        }
        keep_usable(ram.base, first.base);
        if (first.end <= ram.base) {
            return;
        }
        ram.base = first.end;
    }
}

bool kg_memory_init(const struct kg_boot *boot)
{
    image_end = boot->image_end;
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
            offer_region(
                boot, i,
                (struct range){region->base > LOW_FIRST ? region->base : LOW_FIRST, end < LOW_END ? end : LOW_END});
        }
        offer_region(boot, i, (struct range){region->base > LOW_MEMORY ? region->base : LOW_MEMORY, end});
    }
    return run_length(best) > 0;
}

uint64_t kg_memory_total(void)
{
    return total;
}

uint64_t kg_memory_highest(void)
{
    return highest;
}

/* Address in the run for `size` bytes; 0: they do not fit. */
static uint64_t place_in(struct range run, uint64_t size, uint64_t alignment, uint64_t limit)
{
    uint64_t base = (run.base + alignment - 1) & ~(alignment - 1);
    return base >= run.base && base < run.end && run.end - base >= size && base + size - 1 <= limit ? base : 0;
}

/* Takes frames from the smallest run with enough room, so that large runs stay whole. Uses the arena's run only
 * before the application gets the arena. */
static void *take_frames(uint64_t size, uint64_t alignment, uint64_t limit)
{
    struct range *from = NULL;
    for (size_t i = 0; i < MOST_RUNS; i++) {
        if (place_in(runs[i], size, alignment, limit) && (!from || run_length(runs[i]) < run_length(*from))) {
            from = &runs[i];
        }
    }
    if (!from && !arena_given && place_in(best, size, alignment, limit)) {
        from = &best;
    }
    if (!from) {
        return NULL;
    }
    uint64_t *pages = (uint64_t *)place_in(*from, size, alignment, limit);
    from->base = (uintptr_t)pages + size; /* bytes skipped for the alignment are lost */
    taken += size;
    for (size_t i = 0; i < size / sizeof *pages; i++) {
        pages[i] = 0;
    }
    return pages;
}

void *kg_memory_pages(size_t n)
{
    uint64_t limit = arena_given ? UINT64_MAX : kg_processor_reach() - 1;
    return take_frames(n * KG_PAGE, KG_PAGE, limit);
}

void *kg_memory_page(void)
{
    return kg_memory_pages(1);
}

void *plat_dma(size_t size, size_t alignment, uint64_t limit)
{
    uint64_t pages = (size + KG_PAGE - 1) & ~(KG_PAGE - 1);
    return pages ? take_frames(pages, alignment > KG_PAGE ? alignment : KG_PAGE, limit) : NULL;
}

uint64_t plat_dma_address(const void *memory)
{
    return (uintptr_t)memory; /* RAM is identity-mapped */
}

void kg_memory_give(void *base, size_t size)
{
    keep_usable((uintptr_t)base, (uintptr_t)base + size);
}

uint64_t kg_memory_start_page(void)
{
    return start_page;
}

void *kg_memory_arena(size_t *size)
{
    uint64_t most = 0, kept = best.base + PAGES_KEPT * KG_PAGE;
    for (size_t i = 0; i < MOST_RUNS; i++) {
        most = run_length(runs[i]) > most ? run_length(runs[i]) : most;
    }
    if (most < PAGES_KEPT * KG_PAGE && kept < best.end) {
        runs[smallest_run()] = (struct range){best.base, kept};
        best.base = kept;
    }
    outside = taken;
    for (size_t i = 0; i < MOST_RUNS; i++) {
        outside += run_length(runs[i]);
    }
    arena_given = true;
    *size = run_length(best);
    return (void *)best.base;
}

struct kg_outside plat_outside(void)
{
    return (struct kg_outside){outside, taken};
}

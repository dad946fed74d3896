#include "memory.h"

#include "kgpt/device.h"
#include "kgpt/platform.h"

#define LOW_MEMORY 0x100000ull /* BIOS data, EBDA, VGA: ours is one page of it */
#define LOW_FIRST 0x10000ull   /* firmware may still write to what is below */
#define LOW_END 0xA0000ull     /* VGA */

/* Cut off the arena if no other run has as many: for page tables and devices while the application runs. */
#define PAGES_KEPT 16

#define MOST_RUNS 32

struct range {
    uint64_t base, end;
};

extern char kg_image_start[];
extern const uint32_t kg_multiboot1_header[];

#define LOAD_END_ADDR 5 /* a word of the header */

static struct range best;            /* the largest run: becomes the arena */
static struct range runs[MOST_RUNS]; /* the others: page frames for page tables and for devices */
static uint64_t start_page;          /* below 1 MiB; 0: there is none */
static uint64_t total, highest, outside, taken;
static bool arena_given;

/* Not the linker's kg_image_end: `kgpt pack` puts a model of another size there, and the header is where it says so. */
uintptr_t kg_memory_image_end(void)
{
    return kg_multiboot1_header[LOAD_END_ADDR];
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

/* Keeps the largest of all runs as the arena, and as many of the others as there is room for, the larger ones. */
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

/* The i-th thing in RAM that must survive: the image, the framebuffer (which maps may call RAM), then regions that
 * are not RAM (maps may overlap), or RAM that was offered already, which are those before region `own`, then
 * modules. */
static bool reserved_range(const struct kg_boot *boot, size_t own, size_t i, struct range *out)
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

/* Cuts what is reserved out of region `own`, which is RAM: find the lowest overlap, offer what lies before it, go on
 * behind it. */
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

/* Where `size` bytes fit at the beginning of a run; 0: nowhere. */
static uint64_t place_in(struct range run, uint64_t size, uint64_t alignment, uint64_t limit)
{
    uint64_t base = (run.base + alignment - 1) & ~(alignment - 1);
    return base >= run.base && base < run.end && run.end - base >= size && base + size - 1 <= limit ? base : 0;
}

/* From the smallest run in which they fit, so that large ones stay whole; from the arena's only while nobody has the
 * arena. */
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
    from->base = (uintptr_t)pages + size; /* what an alignment skips is lost */
    taken += size;
    for (size_t i = 0; i < size / sizeof *pages; i++) {
        pages[i] = 0;
    }
    return pages;
}

void *kg_memory_pages(size_t n)
{
    uint64_t limit = arena_given ? UINT64_MAX : KG_FOUR_GIB - 1; /* the entry code mapped no more */
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
    return (uintptr_t)memory; /* the page tables map all RAM to itself */
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

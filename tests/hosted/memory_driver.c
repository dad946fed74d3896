/* Which RAM is whose, on a made-up memory map, for ctypes: the test puts real memory at the addresses of the map. */
#include "../../kernel_c/platform/common/memory.c"

char kg_image_start[1];
const uint32_t kg_multiboot1_header[LOAD_END_ADDR + 1] = {0}; /* the image ends before it begins: it is elsewhere */

static struct kg_boot boot;

/* As a machine that is switched on. Types of regions as in boot.h; a region of type 0 is a boot module. */
bool driver_memory(const struct kg_region *regions, uint32_t n);
bool driver_memory(const struct kg_region *given, uint32_t n)
{
    static const struct kg_boot nothing;
    boot = nothing;
    best = (struct range){0, 0};
    for (size_t i = 0; i < MOST_RUNS; i++) {
        runs[i] = best;
    }
    start_page = total = highest = outside = taken = 0;
    arena_given = false;
    for (uint32_t i = 0; i < n; i++) {
        if (given[i].type == 0) {
            boot.modules[boot.n_modules++] = (struct kg_module){given[i].base, given[i].size, "", ""};
        } else {
            boot.regions[boot.n_regions++] = given[i];
        }
    }
    return kg_memory_init(&boot);
}

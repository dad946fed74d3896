/* Ownership of RAM on a simulated memory map, for ctypes: the test allocates memory at the addresses of the map. */
#include "../../kernel_c/platform/common/memory.c"

char kg_image_start[1];

uint64_t kg_processor_reach(void)
{
    return KG_FOUR_GIB;
}

static struct kg_boot boot;

/* Power-on state. Types of regions as in boot.h; type 0 is a boot module. */
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
            boot.modules[boot.n_modules++] = (struct kg_module){given[i].base, given[i].size, "", "", false};
        } else {
            boot.regions[boot.n_regions++] = given[i];
        }
    }
    return kg_memory_init(&boot);
}

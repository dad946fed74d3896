/* Which processors share work with the first one, by features that the test chooses, for ctypes. */
#include "../../kernel_c/platform/common/processors.c"

char kg_stack_guard[1], kg_stack_top[1], kg_ist_guard[1], kg_ist_top[1];
static struct kg_cpu next;

void kg_cpu_detect(struct kg_cpu *cpu)
{
    *cpu = next;
}

bool driver_is_like(uint32_t first_features, uint64_t first_xcr0, uint32_t features, uint64_t xcr0)
{
    struct kg_cpu first = {.features = first_features, .xcr0 = first_xcr0};
    kg_processors_init(&first);
    next = (struct kg_cpu){.features = features, .xcr0 = xcr0};
    return is_like_first();
}

/* Not called here. */
bool kg_paging_guard(uint64_t page)
{
    return page;
}

void kg_memory_give(void *memory_pages, size_t size)
{
    (void)memory_pages;
    (void)size;
}

void plat_delay_us(uint32_t us)
{
    (void)us;
}

void *kg_arena_take(struct kg_arena *arena, size_t size)
{
    (void)size;
    return arena;
}

void kg_parallel_init(struct kg_worker *const *workers, uint32_t n)
{
    (void)workers;
    (void)n;
}

_Noreturn void kg_parallel_serve(struct kg_worker *worker)
{
    (void)worker;
    kg_processor_halt();
}

_Noreturn void kg_processor_halt(void)
{
    for (;;) {
    }
}

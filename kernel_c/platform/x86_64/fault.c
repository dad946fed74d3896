/* Faults of this architecture for `fault=`: platform/common/fault.c has the others. */
#include "io.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"
#include "paging.h"
#include "platform/common/processor.h"
#include "platform/common/screen.h"

static void fault_ud(void)
{
    __asm__ volatile("ud2");
}

static void fault_div(void)
{
    __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx"
                     :
                     :
                     : "eax", "ecx", "edx", "cc");
}

/* Makes drawing fail, in text mode: the panic must not draw again and again. */
static void fault_screen(void)
{
    kg_paging_guard(kg_screen_text_mode()->memory);
    plat_write("\n", 1);
    plat_relax();
}

/* Without an IDT the next exception becomes a double fault, then a triple fault, which resets the CPU. */
static void fault_reset(void)
{
    static const uint8_t no_table[10];
    __asm__ volatile("lidt %0; int3" : : "m"(no_table));
}

static const struct {
    const char *name;
    void (*run)(void);
} faults[] = {{"ud", fault_ud}, {"div", fault_div}, {"reset", fault_reset}, {"screen", fault_screen}};

bool kg_processor_fault(const char *kind)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (kg_streq(faults[i].name, kind)) {
            faults[i].run();
            return true;
        }
    }
    return false;
}

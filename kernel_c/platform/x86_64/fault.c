/* Deliberate faults (`fault=` on the command line), to test the tools that report them. */
#include "fault.h"

#include "io.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"
#include "paging.h"
#include "platform/common/processor.h"
#include "platform/common/screen.h"

static uint8_t not_code[16] = {0xC3}; /* ret, in a page of data */
static volatile uint64_t sink;
static uint32_t deaf;
static bool broken_processor;

static void fault_ud(void)
{
    __asm__ volatile("ud2");
}

static void fault_null(void)
{
    const volatile uint64_t *volatile nothing = NULL;
    sink = *nothing;
}

static void fault_text(void)
{
    *(volatile uint8_t *)(uintptr_t)fault_ud = 0x90;
}

static void fault_exec(void)
{
    ((void (*)(void))(uintptr_t)not_code)();
}

static void fault_div(void)
{
    __asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; divl %%ecx"
                     :
                     :
                     : "eax", "ecx", "edx", "cc");
}

/* Recurses into the guard page. The condition is always true; condition and frame prevent the compiler from making a
 * loop. */
static uint64_t recurse_forever(uint64_t depth)
{
    volatile uint64_t frame[32];
    frame[depth % 32] = depth;
    sink = depth;
    return sink == depth ? recurse_forever(depth + 1) + frame[depth % 32] : 0;
}

static void fault_stack(void)
{
    sink = recurse_forever(0);
}

static void fault_hang(void)
{
    for (;;) {
        plat_relax();
    }
}

static void fault_panic(void)
{
    plat_panic("asked for by fault=panic");
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

/* Faults that occur later, when other processors start or work. */
static void fault_deaf(void)
{
    deaf = 1;
}

static void fault_cpu(void)
{
    broken_processor = true;
}

uint32_t kg_fault_deaf(void)
{
    return deaf;
}

void kg_fault_on_processor(void)
{
    if (broken_processor) {
        fault_ud();
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} faults[] = {
    {"ud", fault_ud},       {"null", fault_null}, {"text", fault_text}, {"exec", fault_exec},
    {"stack", fault_stack}, {"div", fault_div},   {"hang", fault_hang}, {"reset", fault_reset},
    {"panic", fault_panic}, {"deaf", fault_deaf}, {"cpu", fault_cpu},   {"screen", fault_screen},
};

bool plat_fault(const char *kind)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (kg_streq(faults[i].name, kind)) {
            faults[i].run();
            return true;
        }
    }
    return false;
}

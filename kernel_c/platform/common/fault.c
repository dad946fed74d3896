/* Deliberate faults (`fault=` on the command line), to test the tools that report them. */
#include "fault.h"

#include "kgpt/platform.h"
#include "kgpt/str.h"
#include "processor.h"

static uint8_t not_code[16]; /* in a page of data */
static volatile uint64_t sink;
static uint32_t deaf;
static bool broken_processor;

static void fault_null(void)
{
    const volatile uint64_t *volatile nothing = NULL;
    sink = *nothing;
}

static void fault_text(void)
{
    *(volatile uint8_t *)(uintptr_t)fault_null = 0x90;
}

static void fault_exec(void)
{
    ((void (*)(void))(uintptr_t)not_code)();
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
        kg_processor_fault("ud");
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} faults[] = {
    {"null", fault_null}, {"text", fault_text},   {"exec", fault_exec}, {"stack", fault_stack},
    {"hang", fault_hang}, {"panic", fault_panic}, {"deaf", fault_deaf}, {"cpu", fault_cpu},
};

bool plat_fault(const char *kind)
{
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        if (kg_streq(faults[i].name, kind)) {
            faults[i].run();
            return true;
        }
    }
    return kg_processor_fault(kind);
}

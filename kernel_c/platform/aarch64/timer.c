/* The generic timer is the clock: a counter of a known rate that every processor has. */
#include "kgpt/device.h" /* plat_delay_us */
#include "kgpt/platform.h"
#include "kgpt/str.h"
#include "platform/common/processor.h"
#include "registers.h"

#define CLOCK "generic"

static const char *wanted = "";

uint64_t plat_ticks(void)
{
    return KG_READ_REGISTER(cntvct_el0);
}

static uint64_t frequency(void)
{
    return KG_READ_REGISTER(cntfrq_el0) & UINT32_MAX;
}

/* The firmware sets the register with the rate; QEMU's has it without firmware. */
uint64_t plat_ticks_hz(void)
{
    return *wanted && !kg_streq(wanted, CLOCK) ? 0 : frequency();
}

void plat_clock_use(const char *name)
{
    wanted = name;
}

const char *plat_clock(void)
{
    return plat_ticks_hz() ? CLOCK : "";
}

uint64_t kg_processor_ticks(uint32_t us)
{
    return frequency() * us / 1000000;
}

void plat_delay_us(uint32_t us)
{
    uint64_t start = plat_ticks(), ticks = kg_processor_ticks(us);
    while (plat_ticks() - start < ticks) {
        kg_yield();
    }
}

const char *plat_smis(uint64_t *count)
{
    (void)count;
    return "this processor has no counter of them";
}

uint64_t plat_switches(void)
{
    return 0; /* there are no tasks */
}

/* The time of day, from a PL031 (Arm DDI 0224), the real-time clock of Arm's machines. Without one it is the firmware's
 * time at the start, and the timer's ticks since then. */
#include "clock.h"

#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "platform/common/processor.h"

static const volatile uint8_t *registers;
static uint64_t start_time, start_ticks;

void kg_clock_init(const struct kg_facts *facts)
{
    registers = facts->clock.size ? (const volatile uint8_t *)facts->clock.base : NULL;
    start_time = facts->time;
    start_ticks = plat_ticks();
}

uint64_t plat_time(void)
{
    uint64_t second = kg_processor_ticks(1000000);
    if (registers) {
        return kg_mmio_read32(registers);
    }
    return start_time && second ? start_time + (plat_ticks() - start_ticks) / second : 0;
}

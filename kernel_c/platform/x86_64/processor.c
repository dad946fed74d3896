/* The functions of platform/common/processor.h. */
#include "platform/common/processor.h"

#include "apic.h"
#include "io.h"
#include "platform/common/memory.h"

#define TICKS_PER_US 3000u /* of a TSC: 1000 to 5000 */

uint64_t kg_processor_ticks(uint32_t us)
{
    return (uint64_t)us * TICKS_PER_US;
}

/* The entry code maps 4 GiB. */
uint64_t kg_processor_reach(void)
{
    return KG_FOUR_GIB;
}

void kg_processor_interrupts_off(void)
{
    kg_interrupts_off();
}

void kg_processor_pause(void)
{
    kg_pause();
}

void kg_processor_sleep(void)
{
    kg_sleep();
}

void kg_processor_wake(uint32_t id)
{
    kg_apic_send_wake(id);
}

_Noreturn void kg_processor_halt(void)
{
    kg_halt();
}

void kg_processor_drain(void)
{
    __asm__ volatile("sfence" : : : "memory");
}

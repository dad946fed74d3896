/* The functions of platform/common/processor.h. */
#include "platform/common/processor.h"

#include "gic.h"
#include "registers.h"
#include "smp.h"

/* The entry code maps 512 GiB. */
uint64_t kg_processor_reach(void)
{
    return 1ull << 39;
}

void kg_processor_interrupts_off(void)
{
    kg_irq_off();
}

void kg_processor_pause(void)
{
    kg_yield();
}

/* Interrupts are masked here, and end the sleep nevertheless. Without a controller there would be no end. */
void kg_processor_sleep(void)
{
    if (*kg_gic_name() == '\0') {
        kg_yield();
        return;
    }
    kg_dsb();
    __asm__ volatile("wfi" : : : "memory");
    while (kg_gic_take() < KG_GIC_INTERRUPTS) {
    }
}

void kg_processor_wake(uint32_t id)
{
    if (*kg_gic_name()) {
        kg_gic_wake(kg_smp_affinity(id));
    }
}

_Noreturn void kg_processor_halt(void)
{
    kg_arm_halt();
}

void kg_processor_drain(void)
{
    kg_dsb();
}

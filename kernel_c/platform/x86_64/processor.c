/* The functions of platform/common/processor.h. */
#include "platform/common/processor.h"

#include "apic.h"
#include "io.h"

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

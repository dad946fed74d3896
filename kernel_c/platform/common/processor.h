/* What the room of an architecture (x86_64/) gives to this room, which names no register and no instruction. */
#ifndef KGPT_COMMON_PROCESSOR_H
#define KGPT_COMMON_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/* Two stacks, each above a page that is not mapped. */
struct kg_stacks {
    uintptr_t guard, top, interrupt_guard, interrupt_top;
};

/* Of the processor that asks, found out without trust in its registers: a panic asks. */
uint32_t kg_processor_number(void); /* as a worker of plat_parallel; the first processor is 0 */
struct kg_stacks kg_processor_stacks(void);

void kg_processor_interrupts_off(void);
void kg_processor_pause(void);          /* in a loop that waits */
void kg_processor_sleep(void);          /* until an interrupt comes; one that came just before ends the sleep too */
void kg_processor_wake(uint32_t id);    /* interrupts the sleep of a processor */
_Noreturn void kg_processor_halt(void); /* never to run again */

/* Stores that the processor has gathered in a burst leave it. */
void kg_processor_drain(void);

/* Called by a processor that was started, before it works: `fault=cpu` breaks it there. */
void kg_fault_on_processor(void);

/* Maps registers or video memory of a device, uncached. `combining`, for memory that is only written: the processor gathers stores
 * into bursts, where it can. False: there are no such addresses, or no memory for page tables. */
bool kg_map_device(uint64_t base, uint64_t size, bool combining);

#endif

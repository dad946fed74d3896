/* The contract between an architecture's room (x86_64/) and this room, which names no register and no instruction. */
#ifndef KGPT_COMMON_PROCESSOR_H
#define KGPT_COMMON_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

/* Two stacks, each above an unmapped guard page. */
struct kg_stacks {
    uintptr_t guard, top, interrupt_guard, interrupt_top;
};

/* Of the calling processor; found without relying on its registers, because a panic calls it. */
uint32_t kg_processor_number(void); /* number as a worker of plat_parallel; the first processor is 0 */
struct kg_stacks kg_processor_stacks(void);

/* About so many microseconds as a number of plat_ticks(), without a measurement: for limits, not for clocks. */
uint64_t kg_processor_ticks(uint32_t us);

/* Until the page tables are there, only memory below this address can be reached. */
uint64_t kg_processor_reach(void);

void kg_processor_interrupts_off(void);
void kg_processor_pause(void);          /* in a spin loop */
void kg_processor_sleep(void);          /* until an interrupt; a pending interrupt ends the sleep at once */
void kg_processor_wake(uint32_t id);    /* interrupts the sleep of a processor */
_Noreturn void kg_processor_halt(void); /* halts forever */

/* Drains the write-combining buffers. */
void kg_processor_drain(void);

/* The faults of `fault=` that are the architecture's own, and "ud", an undefined instruction. False: unknown kind. */
bool kg_processor_fault(const char *kind);

/* Maps registers or video memory of a device, uncached, or write-combining with `combining` if supported. Returns
 * false if the address is invalid, or without memory for page tables. */
bool kg_map_device(uint64_t base, uint64_t size, bool combining);

#endif

/* The local APIC, by which one processor starts and wakes another, and by whose timer the first one interrupts itself (SDM 3A, 11.4 to
 * 11.12). */
#ifndef KGPT_X86_64_APIC_H
#define KGPT_X86_64_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* This processor's APIC id, by CPUID: the same whatever mode the APIC is in. */
uint32_t kg_apic_id(void);

/* Gets hold of this processor's local APIC: in x2APIC mode if the firmware left it on or `largest_id` needs it, else by its
 * registers in memory. NULL, or why that cannot be. May be called again. */
const char *kg_apic_init(uint32_t largest_id);
const char *kg_apic_mode(void); /* "xapic", "x2apic" */

/* On a processor that was started: makes its APIC deliver. False if it is in another mode than the first one's. */
bool kg_apic_join(void);

void kg_apic_send_init(uint32_t id);
void kg_apic_send_startup(uint32_t id, uint64_t page); /* begin in real mode at this page, below 1 MiB */
void kg_apic_send_wake(uint32_t id);                   /* KG_VECTOR_WAKE */
void kg_apic_end_of_interrupt(void);

/* Counts down from `count`, again and again, and interrupts the processor that called this each time. */
void kg_apic_timer(uint32_t count);
uint32_t kg_apic_timer_left(void);

#endif

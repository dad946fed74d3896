/* The local APIC: starts and wakes other processors, and gives the first one its timer interrupt (SDM 3A, 11.4 to
 * 11.12). */
#ifndef KGPT_X86_64_APIC_H
#define KGPT_X86_64_APIC_H

#include <stdbool.h>
#include <stdint.h>

/* This processor's APIC id from CPUID, independent of the APIC's mode. */
uint32_t kg_apic_id(void);

/* Enables this processor's local APIC: in x2APIC mode if the firmware left it enabled or `largest_id` requires it,
 * otherwise through memory-mapped registers. Returns NULL, or the problem. May be called again. */
const char *kg_apic_init(uint32_t largest_id);
const char *kg_apic_mode(void); /* "xapic", "x2apic" */

/* On a started processor: enables its APIC. Returns false if its mode differs from the first processor's. */
bool kg_apic_join(void);

void kg_apic_send_init(uint32_t id);
void kg_apic_send_startup(uint32_t id, uint64_t page); /* start in real mode at this page, below 1 MiB */
void kg_apic_send_wake(uint32_t id);                   /* KG_VECTOR_WAKE */
void kg_apic_end_of_interrupt(void);

/* Starts a periodic timer interrupt on this processor, with `count` as period. */
void kg_apic_timer(uint32_t count);
uint32_t kg_apic_timer_left(void);

#endif

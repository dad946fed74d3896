/* The 32 exceptions, what wakes a processor that sleeps, and what the first one takes in while it works. An interrupt that nobody
 * expects switches them off until platform/pc/idle.c switches them on again: firmware may have left a device that still sends its own. */
#ifndef KGPT_X86_64_INTERRUPTS_H
#define KGPT_X86_64_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#define KG_N_EXCEPTIONS 32
#define KG_VECTOR_8259 0x20 /* the first of its sixteen */
#define KG_VECTOR_KEYBOARD (KG_VECTOR_8259 + 1)
#define KG_VECTOR_SERIAL (KG_VECTOR_8259 + 4)
#define KG_VECTOR_WAKE 0x30     /* there is something to do (platform/common/parallel.c) */
#define KG_VECTOR_SPURIOUS 0x3F /* what the local APIC delivers when an interrupt went away again */
#define KG_VECTOR_TIMER 0xF1    /* there may be something to look at (platform/pc/idle.c) */
#define KG_PRIORITY_OURS 0xE0 /* of the first processor: what firmware has left has lower vectors, and waits for ever */
#define KG_N_VECTORS 256

/* As isr.S leaves it on the stack, lowest address first. */
struct kg_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* The machine's (platform/pc/idle.c, serial.c): what takes in what was typed, and what isr.S notes for it. */
void kg_interrupt_input(void);
extern volatile uint32_t kg_timer_ticks; /* how often the timer has interrupted */
extern volatile bool kg_serial_woke;     /* the serial port has interrupted */

void kg_interrupts_init(void); /* fills the table; once */
void kg_interrupts_load(void); /* makes it this processor's */

#endif

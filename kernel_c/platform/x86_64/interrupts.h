/* The 32 exceptions, the wake-up interrupt, and the input interrupts of the first processor. An unexpected interrupt
 * disables interrupts until platform/pc/idle.c enables them again: the firmware may have left a device that still
 * interrupts. */
#ifndef KGPT_X86_64_INTERRUPTS_H
#define KGPT_X86_64_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

#define KG_N_EXCEPTIONS 32
#define KG_VECTOR_8259 0x20 /* the first of its sixteen vectors */
#define KG_VECTOR_KEYBOARD (KG_VECTOR_8259 + 1)
#define KG_VECTOR_SERIAL (KG_VECTOR_8259 + 4)
#define KG_VECTOR_WAKE 0x30     /* there is work (platform/common/parallel.c) */
#define KG_VECTOR_SPURIOUS 0x3F /* spurious interrupt of the local APIC */
#define KG_VECTOR_TIMER 0xF1    /* check for input (platform/pc/idle.c) */
/* Task priority of the first processor: interrupts that the firmware left have lower vectors, and stay blocked. */
#define KG_PRIORITY_OURS 0xE0
#define KG_N_VECTORS 256

/* The frame that isr.S builds on the stack, lowest address first. */
struct kg_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

/* In platform/pc (idle.c, serial.c): the input handler, and a mark that isr.S sets for it, beside kg_timer_ticks. */
void kg_interrupt_input(void);
extern volatile bool kg_serial_woke; /* the serial port has interrupted */

void kg_interrupts_init(void); /* fills the IDT; call once */
void kg_interrupts_load(void); /* loads the IDT on this processor */

#endif

/* The contract between vectors.S and a machine's room (platform/virt/idle.c). */
#ifndef KGPT_AARCH64_INTERRUPTS_H
#define KGPT_AARCH64_INTERRUPTS_H

/* An interrupt of a processor that works. It uses no FP registers. */
void kg_interrupt(void);

#endif

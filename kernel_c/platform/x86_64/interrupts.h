/* The 32 exceptions. Interrupts stay off: nothing fires that nobody handles. */
#ifndef KGPT_X86_64_INTERRUPTS_H
#define KGPT_X86_64_INTERRUPTS_H

#include <stdint.h>

#define KG_N_EXCEPTIONS 32

/* As isr.S leaves it on the stack, lowest address first. */
struct kg_frame {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

void kg_interrupts_load(void);

#endif

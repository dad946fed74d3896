/* x87, SSE, AVX and AVX-512 state. */
#ifndef KGPT_X86_64_FPU_H
#define KGPT_X86_64_FPU_H

/* Must run before any code that was not compiled with -mgeneral-regs-only; on every CPU. */
void kg_fpu_enable(void);

#endif

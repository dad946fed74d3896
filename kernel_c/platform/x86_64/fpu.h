/* x87, SSE, AVX and AVX-512 state. */
#ifndef KGPT_X86_64_FPU_H
#define KGPT_X86_64_FPU_H

/* Must run on every CPU before any code compiled without -mgeneral-regs-only. */
void kg_fpu_enable(void);

#endif

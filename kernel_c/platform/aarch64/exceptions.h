/* The targets of vectors.S. */
#ifndef KGPT_AARCH64_EXCEPTIONS_H
#define KGPT_AARCH64_EXCEPTIONS_H

#include <stdint.h>

enum kg_exception_kind { KG_SYNCHRONOUS, KG_IRQ, KG_FIQ, KG_SERROR, KG_LOWER_LEVEL };

/* The frame that vectors.S builds on the stack, lowest address first. */
struct kg_frame {
    uint64_t x[31], sp, pc, pstate, esr, far;
};

_Noreturn void kg_exception(const struct kg_frame *frame, uint32_t kind);

#endif

/* The last words of a machine. */
#ifndef KGPT_X86_64_PANIC_H
#define KGPT_X86_64_PANIC_H

#include "platform/x86_64/interrupts.h"

/* Halts this processor if another one panics. */
void kg_panic_check(void);

_Noreturn void kg_panic_exception(const struct kg_frame *frame);

#endif

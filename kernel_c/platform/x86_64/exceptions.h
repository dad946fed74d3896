/* The target of isr.S for exceptions. */
#ifndef KGPT_X86_64_EXCEPTIONS_H
#define KGPT_X86_64_EXCEPTIONS_H

#include "interrupts.h"

_Noreturn void kg_exception(const struct kg_frame *frame);

#endif

/* The last words of a machine. */
#ifndef KGPT_COMMON_PANIC_H
#define KGPT_COMMON_PANIC_H

#include <stdint.h>

#include "kgpt/event.h"

struct kg_panic {
    int vector;                          /* the exception; -1: a check in our own code failed */
    const char *mnemonic, *message;      /* of the exception, or "panic" and what is wrong */
    uint64_t error, at;                  /* the error code; the address of the instruction */
    const char *touched_by;              /* the register that tells … */
    uint64_t touched;                    /* … the address that could not be reached; 0: none */
    uint64_t frame_pointer;              /* where the saved frame pointers begin */
    const struct kg_register *registers; /* NULL without an exception */
    uint32_t n_registers;
};

/* Halts this processor if another one panics. */
void kg_panic_check(void);

/* Makes this processor the one that reports; returns on no other. Then the report, which ends the machine. */
void kg_panic_begin(void);
_Noreturn void kg_panic_report(const struct kg_panic *panic);

#endif

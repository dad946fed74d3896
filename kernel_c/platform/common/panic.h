/* Panics. */
#ifndef KGPT_COMMON_PANIC_H
#define KGPT_COMMON_PANIC_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/event.h"

struct kg_panic {
    int vector;                          /* the exception; -1: a check in the kernel failed */
    const char *mnemonic, *message;      /* of the exception, or "panic" and the message */
    uint64_t error, at;                  /* error code; address of the instruction */
    const char *touched_by;              /* the register with the faulting address */
    uint64_t touched;                    /* the faulting address; 0: none */
    uint64_t frame_pointer;              /* the first saved frame pointer */
    const struct kg_register *registers; /* NULL without an exception */
    uint32_t n_registers;
};

/* Halts this processor if another one is in a panic. */
void kg_panic_check(void);

/* Describes a forbidden access of this processor to memory. `executed`: of an instruction in memory that may not be
 * executed; `wrote`: to memory that is read-only. */
const char *kg_panic_of_access(uint64_t address, bool executed, bool wrote);

/* Returns only on the first processor that panics. The report then ends the machine. */
void kg_panic_begin(void);
_Noreturn void kg_panic_report(const struct kg_panic *panic);

#endif

#include "psci.h"

#include <stddef.h>

#define CPU_ON 0xC4000003u
#define SYSTEM_OFF 0x84000008u
#define SYSTEM_RESET 0x84000009u

#define ALREADY_ON (-4)

static enum kg_psci_conduit conduit;

void kg_psci_init(enum kg_psci_conduit found)
{
    conduit = found;
}

/* SMC Calling Convention (Arm DEN0028): X0 to X17 may change. */
static int64_t call_firmware(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;
#define CALL(instruction)                                                                                          \
    __asm__ volatile(instruction                                                                                   \
                     : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)                                                      \
                     :                                                                                             \
                     : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", \
                       "memory")
    if (conduit == KG_PSCI_HVC) {
        CALL("hvc #0");
    } else if (conduit == KG_PSCI_SMC) { /* smc #0: assemblers take it for processors with EL3 only */
        CALL(".inst 0xD4000003");
    }
#undef CALL
    return (int32_t)x0;
}

const char *kg_psci_start(uint64_t mpidr, uint64_t entry, uint64_t context)
{
    int64_t status = conduit == KG_PSCI_NONE ? -1 : call_firmware(CPU_ON, mpidr, entry, context);
    return status == 0 ? NULL : status == ALREADY_ON ? "it runs already" : "the firmware does not start it";
}

void kg_psci_off(void)
{
    call_firmware(SYSTEM_OFF, 0, 0, 0);
}

void kg_psci_reset(void)
{
    call_firmware(SYSTEM_RESET, 0, 0, 0);
}

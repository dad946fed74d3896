/* The process on aarch64: see platform/linux/processor.h. The vectors are the exception classes of ESR_EL1. */
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <ucontext.h>

#include "kgpt/cpu.h"
#include "kgpt/platform.h"
#include "platform/linux/processor.h"

#define HAS_I8MM (1ul << 13) /* HWCAP2_I8MM; older C libraries do not name it */

const struct kg_linux_fault kg_linux_faults[] = {
    {SIGFPE, 0x2C, "FP", "floating-point exception"},
    {SIGILL, 0x00, "UNDEF", "undefined instruction"},
    {SIGBUS, 0x22, "ALIGN", "bus error"},
    {SIGSEGV, 0x24, "ABORT", "memory abort"},
    {0},
};

const uint8_t kg_linux_return[KG_LINUX_RETURN_MOST] = {0xC0, 0x03, 0x5F, 0xD6};

void kg_linux_pause(void)
{
    __asm__ volatile("yield");
}

uint64_t kg_linux_program_counter(const void *context)
{
    const ucontext_t *user = context;
    return user->uc_mcontext.pc;
}

/* A division by zero is no fault here: its result is 0. */
bool kg_linux_cause(const char *kind)
{
    if (strcmp(kind, "ud") == 0) {
        __asm__ volatile("udf #0");
    } else if (strcmp(kind, "null") == 0) {
        __asm__ volatile("str wzr, [%0]" : : "r"(0ul) : "memory");
    } else if (strcmp(kind, "text") == 0) {
        __asm__ volatile("strb wzr, [%0]" : : "r"(&plat_ticks) : "memory");
    }
    return false;
}

/* Some emulators hide the field of ID_AA64ISAR1_EL1 from a process. */
uint32_t kg_linux_features(void)
{
    return getauxval(AT_HWCAP2) & HAS_I8MM ? KG_CPU_I8MM : 0;
}

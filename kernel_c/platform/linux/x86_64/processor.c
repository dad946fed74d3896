/* The process on x86-64: see platform/linux/processor.h. */
#include <signal.h>
#include <string.h>
#include <ucontext.h>

#include "kgpt/platform.h"
#include "platform/linux/processor.h"

const struct kg_linux_fault kg_linux_faults[] = {
    {SIGFPE, 0, "#DE", "divide error"},
    {SIGILL, 6, "#UD", "invalid opcode"},
    {SIGBUS, 17, "#AC", "bus error"},
    {SIGSEGV, 14, "#PF", "page fault"},
    {0},
};

const uint8_t kg_linux_return[KG_LINUX_RETURN_MOST] = {0xC3};

void kg_linux_pause(void)
{
    __builtin_ia32_pause();
}

uint64_t kg_linux_program_counter(const void *context)
{
    const ucontext_t *user = context;
    return (uint64_t)user->uc_mcontext.gregs[REG_RIP];
}

bool kg_linux_cause(const char *kind)
{
    if (strcmp(kind, "ud") == 0) {
        __asm__ volatile("ud2");
    } else if (strcmp(kind, "null") == 0) {
        __asm__ volatile("movl $0, 0");
    } else if (strcmp(kind, "text") == 0) {
        __asm__ volatile("movb $0, (%0)" : : "r"(&plat_ticks) : "memory");
    } else if (strcmp(kind, "div") == 0) {
        __asm__ volatile("xorl %%ecx, %%ecx\n\tdivl %%ecx" : : : "eax", "ecx", "edx", "cc");
    }
    return false;
}

uint32_t kg_linux_features(void)
{
    return 0;
}

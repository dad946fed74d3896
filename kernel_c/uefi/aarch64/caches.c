/* The way to the kernel's entry, which runs with the MMU off, and so beside the caches: what it reads is written back
 * to memory first. */
#include "uefi/processor.h"

/* What the kernel's entry code maps (boot/aarch64/entry.S). */
#define LAST (UINT64_C(512) * 0x40000000 - 1)
#define LINE_SHIFT 16 /* CTR_EL0.DminLine: log2 of the words in the smallest line */
#define LINE_MASK 15
#define WORD 4u

_Noreturn void kg_uefi_jump(uint64_t entry, uint64_t info); /* enter.S */
extern const char kg_uefi_jump_end[];

const struct kg_uefi_limits kg_uefi_limits = {
    .kernel = LAST,
    .handover = LAST,
    .no_kernel = "there is no free memory below 512 GiB in one piece for the kernel",
    .no_handover = "there is no memory below 512 GiB",
};

uint64_t kg_uefi_ticks(void)
{
    uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(ticks) : : "memory");
    return ticks;
}

uint64_t kg_uefi_ticks_hz(void)
{
    uint64_t hz;
    __asm__("mrs %0, cntfrq_el0" : "=r"(hz));
    return hz;
}

static void clean_caches(uint64_t base, uint64_t size)
{
    uint64_t type;
    __asm__("mrs %0, ctr_el0" : "=r"(type));
    uint64_t line = WORD << (type >> LINE_SHIFT & LINE_MASK);
    for (uint64_t at = base & ~(line - 1); at < base + size; at += line) {
        __asm__ volatile("dc civac, %0" : : "r"(at) : "memory");
    }
    __asm__ volatile("dsb sy" : : : "memory");
}

const char *kg_uefi_make_ramp(struct kg_uefi *u)
{
    clean_caches(u->place, u->size);
    return NULL;
}

void kg_uefi_enter(uint64_t ramp, uint64_t entry, uint64_t info)
{
    (void)ramp;
    clean_caches(info, sizeof(struct kg_uefi_handover));
    clean_caches((uintptr_t)kg_uefi_jump, (uint64_t)(kg_uefi_jump_end - (const char *)kg_uefi_jump));
    kg_uefi_jump(entry, info);
}

/* The way from firmware in 64-bit mode to the kernel's entry in 32-bit protected mode: a page of code below 4 GiB, the
 * ramp, and one for its stack. */
#include "kgpt/mem.h"
#include "uefi/processor.h"

#define RAMP_PAGES 2

extern const char kg_uefi_ramp_begin[], kg_uefi_ramp_end[]; /* enter.S */

/* The kernel's code holds addresses of 31 bits, and its entry code has registers of 32 bits. */
const struct kg_uefi_limits kg_uefi_limits = {
    .kernel = UINT64_C(0x7FFFFFFF),
    .handover = KG_UEFI_FOUR_GIB - 1,
    .no_kernel = "there is no free memory below 2 GiB in one piece for the kernel",
    .no_handover = "there is no memory below 4 GiB",
};

uint64_t kg_uefi_ticks(void)
{
    return __builtin_ia32_rdtsc();
}

uint64_t kg_uefi_ticks_hz(void)
{
    return 0;
}

/* The ramp must be executable. Firmware that protects memory maps new pages without execution. */
const char *kg_uefi_make_ramp(struct kg_uefi *u)
{
    static const struct kg_efi_guid guid = KG_EFI_MEMORY_ATTRIBUTE_GUID;
    static const char problem[] = "there is no executable page below 4 GiB";
    uint64_t at = KG_UEFI_FOUR_GIB - 1;
    if (kg_efi_failed(u->system->boot->allocate_pages(KG_EFI_ALLOCATE_MAX, KG_EFI_LOADER_CODE, RAMP_PAGES, &at))) {
        return problem;
    }
    memcpy((void *)at, kg_uefi_ramp_begin, (size_t)(kg_uefi_ramp_end - kg_uefi_ramp_begin));
    u->ramp = at;
    struct kg_efi_memory_attribute *protection = kg_uefi_protocol(u, NULL, &guid);
    if (!protection) {
        return NULL;
    }
    protection->set(protection, at, KG_UEFI_PAGE, KG_EFI_MEMORY_RO); /* desirable, not necessary */
    return kg_efi_failed(protection->clear(protection, at, KG_UEFI_PAGE, KG_EFI_MEMORY_XP)) ? problem : NULL;
}

/* The UEFI loader of kgpt.efi. It fills a struct kg_boot, so that only pointers have to be moved to the copy. */
#include "uefi.h"

static char excess[KG_UEFI_EXCESS_SIZE];

void kg_uefi_read(struct kg_boot *boot, uintptr_t info)
{
    const struct kg_uefi_handover *handover = (const struct kg_uefi_handover *)info;
    const char *names = handover->boot.names;
    *boot = handover->boot;
    for (size_t i = 0; i < boot->n_modules; i++) {
        struct kg_module *module = &boot->modules[i];
        module->name = boot->names + (module->name - names);
        module->words = boot->names + (module->words - names);
    }
    for (size_t i = 0; i < sizeof excess - 1; i++) {
        excess[i] = handover->excess[i];
    }
    boot->loader = "uefi";
    boot->excess = excess[0] ? excess : NULL;
}

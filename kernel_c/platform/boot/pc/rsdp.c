/* The search for ACPI's root pointer (RSDP) in the BIOS areas. */
#include "loaders.h"

#define BDA_EBDA_SEGMENT 0x40E

static uint64_t scan_for_rsdp(uintptr_t from, uintptr_t to)
{
    static const char signature[8] = {'R', 'S', 'D', ' ', 'P', 'T', 'R', ' '};
    for (uintptr_t at = from; at + 20 <= to; at += 16) {
        const volatile uint8_t *bytes = (const volatile uint8_t *)at;
        size_t i = 0;
        while (i < sizeof signature && bytes[i] == (uint8_t)signature[i]) {
            i++;
        }
        if (i < sizeof signature) {
            continue;
        }
        uint8_t sum = 0;
        for (i = 0; i < 20; i++) {
            sum = (uint8_t)(sum + bytes[i]);
        }
        if (sum == 0) {
            return at;
        }
    }
    return 0;
}

/* ACPI 6.5, 5.2.5.1: searches the first KiB of the EBDA, then the BIOS area. Only for loaders that do not pass the
 * address. */
uint64_t kg_boot_find_rsdp(void)
{
    uintptr_t ebda = (uintptr_t)*(const volatile uint16_t *)BDA_EBDA_SEGMENT << 4;
    uint64_t found = ebda >= 0x80000 && ebda < 0xA0000 ? scan_for_rsdp(ebda, ebda + 1024) : 0;
    return found ? found : scan_for_rsdp(0xE0000, 0x100000);
}

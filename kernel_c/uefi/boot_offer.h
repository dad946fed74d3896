/* What a DHCP server tells of the file that firmware boots by PXE. */
#ifndef KGPT_UEFI_BOOT_OFFER_H
#define KGPT_UEFI_BOOT_OFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kg_boot_offer {
    uint8_t server[4], router[4]; /* zeros: not said */
    char file[256];               /* its path on the server; empty: none */
    size_t file_n;
};

/* Reads a message of DHCP; bytes behind its end may be zeros. False: it is none. */
bool kg_boot_offer_read(const uint8_t *packet, uint32_t n, struct kg_boot_offer *offer);

#endif

/* A DHCP server's message to PXE, of which the boot menu takes the server and the file. The input is the message. */
#include <stdlib.h>
#include <string.h>

#include "promise.h"
#include "uefi/boot_offer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_boot_offer offer;
    uint8_t *copy = malloc(size ? size : 1); /* of exactly its size: the sanitizer sees its end */
    promise(copy);
    memcpy(copy, data, size);
    if (kg_boot_offer_read(copy, (uint32_t)size, &offer)) {
        promise(size >= 240 && offer.file_n < sizeof offer.file && strlen(offer.file) == offer.file_n);
    }
    free(copy);
    return 0;
}

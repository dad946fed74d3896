/* Fuzzes the search for an interface in the descriptors of a USB configuration. */
#include <stdlib.h>
#include <string.h>

#include "platform/drivers/usb/descriptors.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kg_usb_function found;
    uint8_t *bytes = malloc(size + !size); /* of this size, so that a byte read beyond it is seen */
    promise(bytes);
    memcpy(bytes, data, size);
    bool is_found = kg_usb_find_function(bytes, size, &found);
    promise(!is_found || found.kind == KG_USB_KEYBOARD || found.kind == KG_USB_HUB || found.kind == KG_USB_STORAGE);
    promise(!is_found || found.kind != KG_USB_STORAGE ||
            ((found.out.address & 15) && !(found.out.address & 0xF0) && found.out.max_packet));
    promise(!is_found || ((found.in.address & 0x80) && (found.in.address & 15) && !(found.in.address & 0x70)));
    promise(!is_found || (found.in.max_packet >= 1 && found.in.max_packet <= 1024 && found.in.burst < 16));
    free(bytes);
    return 0;
}

/* USB descriptors (USB 2.0, 9.6): finds the interface of a configuration that kgpt drives. Uses no device. */
#ifndef KGPT_DRIVERS_USB_DESCRIPTORS_H
#define KGPT_DRIVERS_USB_DESCRIPTORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kg_usb_kind { KG_USB_OTHER, KG_USB_KEYBOARD, KG_USB_HUB, KG_USB_STORAGE };

struct kg_usb_endpoint {
    uint8_t address;     /* with bit 7: to the host; 0: absent */
    uint8_t interval;    /* bInterval */
    uint8_t burst;       /* packets of a burst, less one (USB 3) */
    uint16_t max_packet; /* bytes, 1 to 1024 */
};

struct kg_usb_function {
    enum kg_usb_kind kind;
    uint8_t configuration; /* bConfigurationValue */
    uint8_t interface;
    struct kg_usb_endpoint in;  /* the interrupt endpoint; of a disk, a bulk endpoint */
    struct kg_usb_endpoint out; /* of a disk */
};

/* Finds the first interface with a driver: a boot keyboard, which need not be the first interface, a hub, or a disk by
 * the bulk-only transport. `bytes` is a configuration descriptor with all that follows it. Returns false if there is
 * none. */
bool kg_usb_find_function(const uint8_t *bytes, size_t n, struct kg_usb_function *found);

#endif

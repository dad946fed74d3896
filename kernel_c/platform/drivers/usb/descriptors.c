/* Descriptors of a configuration: see descriptors.h. A device may say anything: a length below 2 or beyond the end ends
 * the list, so the walk ends after at most n / 2 descriptors. */
#include "descriptors.h"

#define DESCRIPTOR_CONFIGURATION 2
#define DESCRIPTOR_INTERFACE 4
#define DESCRIPTOR_ENDPOINT 5
#define DESCRIPTOR_COMPANION 0x30
#define CLASS_HID 3
#define CLASS_STORAGE 8
#define CLASS_HUB 9
#define SUBCLASS_SCSI 6
#define PROTOCOL_BULK_ONLY 0x50
#define SUBCLASS_BOOT 1
#define PROTOCOL_KEYBOARD 1
#define TO_HOST 0x80
#define RESERVED 0x70
#define TRANSFER_TYPE 3
#define TRANSFER_BULK 2
#define TRANSFER_INTERRUPT 3
#define MOST_PACKET 1024

static enum kg_usb_kind kind_of_interface(const uint8_t *d)
{
    bool first_setting = d[3] == 0;
    if (first_setting && d[5] == CLASS_HID && d[6] == SUBCLASS_BOOT && d[7] == PROTOCOL_KEYBOARD) {
        return KG_USB_KEYBOARD;
    }
    if (first_setting && d[5] == CLASS_STORAGE && d[6] == SUBCLASS_SCSI && d[7] == PROTOCOL_BULK_ONLY) {
        return KG_USB_STORAGE;
    }
    return first_setting && d[5] == CLASS_HUB ? KG_USB_HUB : KG_USB_OTHER;
}

/* Returns the endpoint if the function's driver uses it. */
static struct kg_usb_endpoint *take_endpoint(struct kg_usb_function *found, const uint8_t *d)
{
    uint16_t max_packet = (uint16_t)((d[4] | d[5] << 8) & 0x7FF);
    bool usable = (d[2] & 15) && !(d[2] & RESERVED) && max_packet && max_packet <= MOST_PACKET;
    bool disk = found->kind == KG_USB_STORAGE, to_host = d[2] & TO_HOST;
    struct kg_usb_endpoint *endpoint = to_host ? &found->in : &found->out;
    if (endpoint->address || !usable || (!to_host && !disk) ||
        (d[3] & TRANSFER_TYPE) != (disk ? TRANSFER_BULK : TRANSFER_INTERRUPT)) {
        return NULL;
    }
    *endpoint = (struct kg_usb_endpoint){.address = d[2], .interval = d[6], .max_packet = max_packet};
    return endpoint;
}

static bool is_complete(const struct kg_usb_function *found)
{
    return found->kind != KG_USB_OTHER && found->in.address && (found->kind != KG_USB_STORAGE || found->out.address);
}

bool kg_usb_find_function(const uint8_t *bytes, size_t n, struct kg_usb_function *found)
{
    uint8_t configuration = 0;
    struct kg_usb_endpoint *last = NULL;
    *found = (struct kg_usb_function){.kind = KG_USB_OTHER};
    for (size_t at = 0; n - at >= 2; at += bytes[at]) {
        const uint8_t *d = bytes + at;
        if (d[0] < 2 || d[0] > n - at) {
            break;
        }
        if (d[1] == DESCRIPTOR_CONFIGURATION && d[0] >= 9) {
            configuration = d[5];
        } else if (d[1] == DESCRIPTOR_INTERFACE && d[0] >= 9) {
            if (is_complete(found)) {
                break;
            }
            last = NULL;
            *found = (struct kg_usb_function){
                .kind = kind_of_interface(d), .configuration = configuration, .interface = d[2]};
        } else if (d[1] == DESCRIPTOR_ENDPOINT && d[0] >= 7 && found->kind != KG_USB_OTHER) {
            last = take_endpoint(found, d);
        } else if (d[1] == DESCRIPTOR_COMPANION && d[0] >= 6 && last) {
            last->burst = d[2] < 16 ? d[2] : 0;
        }
    }
    return is_complete(found);
}

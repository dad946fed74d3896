/* The job that makes a new device usable, and the removal of devices (USB 2.0, 9.1; xHCI 1.2, 4.3). */
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/platform.h"
#include "registers.h"
#include "usb.h"

#define GET_DESCRIPTOR 0x0680u
#define SET_CONFIGURATION 0x0900u
#define SET_IDLE 0x0A21u
#define SET_PROTOCOL 0x0B21u
#define GET_HUB_DESCRIPTOR 0x06A0u
#define SET_HUB_DEPTH 0x0C20u
#define GET_MAX_LUN 0xFEA1u
#define DEVICE_DESCRIPTOR 0x0100u
#define CONFIGURATION_0 0x0200u
#define DESCRIPTOR_HUB 0x2900u
#define DESCRIPTOR_HUB_SUPER 0x2A00u
#define DEVICE_BYTES 18
#define CONFIGURATION_BYTES 9
#define MOST_ERRORS 8

struct kg_usb *kg_usb_new(struct kg_xhci *x)
{
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        struct kg_usb *d = &x->devices[i];
        if (!d->used) {
            uint8_t *memory = d->memory;
            memset(d, 0, sizeof *d);
            d->memory = memory;
            d->host = x;
            d->used = kg_usb_give_memory(d);
            return d->used ? d : NULL;
        }
    }
    return NULL;
}

struct kg_usb_port *kg_usb_port_of(struct kg_usb *d)
{
    return d->parent ? &d->host->devices[d->parent - 1].ports[d->port] : &d->host->ports[d->root_port];
}

/* A hub takes its children with it. The loop ends: each round marks at least one more device. */
static void mark_subtree(struct kg_xhci *x, uint32_t root)
{
    bool more = true;
    x->devices[root].dying = true;
    while (more) {
        more = false;
        for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
            struct kg_usb *d = &x->devices[i];
            if (d->used && !d->dying && d->parent && x->devices[d->parent - 1].dying) {
                d->dying = more = true;
            }
        }
    }
}

void kg_usb_remove(struct kg_xhci *x, struct kg_usb_port *port)
{
    if (!port->child) {
        return;
    }
    mark_subtree(x, port->child - 1u);
    port->child = 0;
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        struct kg_usb *d = &x->devices[i];
        if (d->dying && d->ready) {
            d->ready = false;
            if (d->function.kind == KG_USB_KEYBOARD) {
                kg_usb_release_keys(d);
                x->n_keyboards--;
                x->unit.input.changes++;
            }
            kg_usb_storage_remove(x, d);
        }
    }
}

static enum kg_usb_step give_up(struct kg_xhci *x)
{
    struct kg_usb_port *port = kg_usb_port_of(x->target);
    kg_usb_remove(x, port);
    port->tries++;
    port->check = true;
    return KG_USB_DONE;
}

/* A device without a driver keeps its slot, so that it is not tried again. */
static enum kg_usb_step leave_alone(struct kg_usb *d)
{
    d->function.kind = KG_USB_OTHER;
    return KG_USB_DONE;
}

static bool take_slot(struct kg_xhci *x, struct kg_usb *d)
{
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        if (x->devices[i].used && x->devices[i].slot == x->op.slot) {
            return false;
        }
    }
    d->slot = x->op.slot;
    return d->slot >= 1 && d->slot <= x->n_slots;
}

static enum kg_usb_step take_packet_size(struct kg_xhci *x, struct kg_usb *d)
{
    uint8_t packet = kg_usb_buffer(d)[7];
    if (d->speed >= KG_USB_SUPER || packet == d->packet) {
        x->step++; /* nothing to evaluate */
        kg_usb_control(d, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0, DEVICE_BYTES);
        return KG_USB_AGAIN;
    }
    if (packet != 8 && packet != 16 && packet != 32 && packet != 64) {
        return give_up(x);
    }
    d->packet = packet;
    kg_usb_evaluate_packet(d);
    return KG_USB_AGAIN;
}

static void ask_configuration(struct kg_usb *d, uint32_t n)
{
    kg_usb_control(d, GET_DESCRIPTOR, CONFIGURATION_0, 0, (uint16_t)n);
}

static enum kg_usb_step take_configuration(struct kg_xhci *x, struct kg_usb *d)
{
    const uint8_t *bytes = kg_usb_buffer(d);
    uint32_t total = bytes[2] | (uint32_t)bytes[3] << 8;
    if (x->op.given < CONFIGURATION_BYTES) {
        return give_up(x);
    }
    ask_configuration(d, total < KG_USB_BUFFER ? total : KG_USB_BUFFER);
    return KG_USB_AGAIN;
}

static enum kg_usb_step take_function(struct kg_xhci *x, struct kg_usb *d)
{
    if (!kg_usb_find_function(kg_usb_buffer(d), x->op.given, &d->function) ||
        (d->function.kind == KG_USB_STORAGE && kg_disks_are_off())) {
        return leave_alone(d);
    }
    kg_usb_configure_endpoints(d, false);
    return KG_USB_AGAIN;
}

static enum kg_usb_step use_keyboard(struct kg_xhci *x, struct kg_usb *d)
{
    d->keys.decoder.set = 1;
    d->keys.lights = 0xFF;
    d->ready = x->had_keyboard = true;
    x->n_keyboards++;
    x->unit.input.changes++;
    x->unit.input.found = x->unit.input.found ? x->unit.input.found : plat_ticks() - x->started;
    kg_usb_listen(d);
    return KG_USB_DONE;
}

static enum kg_usb_step begin_class(struct kg_usb *d)
{
    if (d->function.kind == KG_USB_KEYBOARD) {
        kg_usb_control(d, SET_PROTOCOL, 0, d->function.interface, 0);
    } else if (d->function.kind == KG_USB_STORAGE) {
        kg_usb_control(d, GET_MAX_LUN, 0, d->function.interface, 1);
    } else {
        uint16_t kind = d->speed >= KG_USB_SUPER ? DESCRIPTOR_HUB_SUPER : DESCRIPTOR_HUB;
        kg_usb_control(d, GET_HUB_DESCRIPTOR, kind, 0, d->speed >= KG_USB_SUPER ? 12 : 9);
    }
    return KG_USB_AGAIN;
}

/* A hub has told its ports, a disk its number of logical units. */
static enum kg_usb_step continue_class(struct kg_xhci *x, struct kg_usb *d)
{
    const uint8_t *bytes = kg_usb_buffer(d);
    if (d->function.kind == KG_USB_KEYBOARD) {
        kg_usb_control(d, SET_IDLE, 0, d->function.interface, 0);
        return KG_USB_AGAIN;
    }
    if (d->function.kind == KG_USB_STORAGE) { /* a device with one disk may refuse to tell their number */
        kg_usb_storage_begin(x, d, x->op.code == KG_XHCI_SUCCESS && x->op.given == 1 ? bytes[0] + 1u : 1);
        return KG_USB_DONE;
    }
    if (x->op.code != KG_XHCI_SUCCESS || x->op.given < 7 || !bytes[2]) {
        return give_up(x);
    }
    d->n_ports = bytes[2] < KG_USB_HUB_PORTS ? bytes[2] : KG_USB_HUB_PORTS;
    d->think_time = bytes[3] >> 5 & 3;
    d->power_delay = bytes[5];
    kg_usb_configure_hub(d);
    return KG_USB_AGAIN;
}

static enum kg_usb_step use_hub(struct kg_xhci *x, struct kg_usb *d)
{
    for (uint32_t i = 1; i <= d->n_ports; i++) {
        d->ports[i].check = true;
    }
    if (x->op.code != KG_XHCI_SUCCESS) {
        return give_up(x);
    }
    d->ready = true;
    kg_usb_listen(d);
    return KG_USB_DONE;
}

static enum kg_usb_step enumerate_more(struct kg_xhci *x, struct kg_usb *d)
{
    switch (x->step++) {
    case 8: kg_usb_control(d, SET_CONFIGURATION, d->function.configuration, 0, 0); return KG_USB_AGAIN;
    case 9: return begin_class(d);
    case 10: return continue_class(x, d);
    case 11:
        if (d->function.kind == KG_USB_KEYBOARD) {
            return use_keyboard(x, d);
        }
        if (d->speed < KG_USB_SUPER || x->op.code != KG_XHCI_SUCCESS) {
            return use_hub(x, d);
        }
        kg_usb_control(d, SET_HUB_DEPTH, d->depth, 0, 0);
        return KG_USB_AGAIN;
    default: return use_hub(x, d);
    }
}

/* Each step starts one operation. A keyboard may refuse SET_PROTOCOL and SET_IDLE (before steps 10 and 11). */
enum kg_usb_step kg_usb_enumerate(struct kg_xhci *x)
{
    struct kg_usb *d = x->target;
    if (d->dying || (x->step > 0 && x->step < 10 && x->op.code != KG_XHCI_SUCCESS)) {
        return give_up(x);
    }
    switch (x->step) {
    case 0: kg_xhci_command(x, 0, TRB_TYPE(TRB_ENABLE_SLOT)); break;
    case 1:
        if (!take_slot(x, d)) {
            d->slot = 0;
            return give_up(x);
        }
        kg_usb_address_device(d);
        break;
    case 2: kg_usb_control(d, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0, 8); break;
    case 3: x->step++; return take_packet_size(x, d);
    case 4: kg_usb_control(d, GET_DESCRIPTOR, DEVICE_DESCRIPTOR, 0, DEVICE_BYTES); break;
    case 5:
        memcpy(&d->vendor, kg_usb_buffer(d) + 8, 2);
        memcpy(&d->product, kg_usb_buffer(d) + 10, 2);
        ask_configuration(d, CONFIGURATION_BYTES);
        break;
    case 6: x->step++; return take_configuration(x, d);
    case 7: x->step++; return take_function(x, d);
    default: return enumerate_more(x, d);
    }
    x->step++;
    return KG_USB_AGAIN;
}

/* Keeps KG_USB_REPORTS transfers waiting: a keyboard's reports are kept by the controller until the next poll. */
static void queue_report(struct kg_usb *d, uint8_t i)
{
    uint32_t n = d->function.in.max_packet, most = (uint32_t)(kg_usb_report(d, 1) - kg_usb_report(d, 0));
    d->report_of[d->in.at] = (uint8_t)(i + 1);
    kg_xhci_put(&d->in, plat_dma_address(kg_usb_report(d, i)), n < most ? n : most,
                TRB_TYPE(TRB_NORMAL) | TRB_INTERRUPT | TRB_SHORT);
}

void kg_usb_listen(struct kg_usb *d)
{
    memset(d->report_of, 0, sizeof d->report_of);
    for (uint8_t i = 0; i < KG_USB_REPORTS; i++) {
        queue_report(d, i);
    }
    kg_xhci_ring_doorbell(d->host, d->slot, d->in_dci);
}

void kg_usb_hear(struct kg_usb *d, uint64_t trb, uint8_t code, uint32_t left)
{
    uint64_t at = (trb - plat_dma_address(d->in.trbs)) / sizeof(struct kg_xhci_trb);
    uint8_t which = at < KG_XHCI_RING ? d->report_of[at] : 0;
    if (!which) {
        return;
    }
    d->report_of[at] = 0;
    if (code != KG_XHCI_SUCCESS && code != KG_XHCI_SHORT) {
        d->halted = true;
        if (++d->errors >= MOST_ERRORS) { /* its port is looked at again */
            kg_usb_port_of(d)->check = true;
        }
        return;
    }
    uint32_t n = d->function.in.max_packet;
    n = left < n ? n - left : 0;
    d->errors = 0;
    if (d->function.kind == KG_USB_HUB) {
        kg_usb_hub_report(d, kg_usb_report(d, which - 1u), n);
    } else {
        kg_usb_key_report(d, kg_usb_report(d, which - 1u), n);
    }
    queue_report(d, (uint8_t)(which - 1));
    kg_xhci_ring_doorbell(d->host, d->slot, d->in_dci);
}

/* The job that makes an interrupt endpoint usable after an error. */
enum kg_usb_step kg_usb_unhalt(struct kg_xhci *x)
{
    struct kg_usb *d = x->target;
    uint32_t whom = TRB_SLOT(d->slot) | TRB_ENDPOINT(d->in_dci);
    if (d->dying) {
        return KG_USB_DONE;
    }
    switch (x->step++) {
    case 0: kg_xhci_command(x, 0, TRB_TYPE(TRB_RESET_ENDPOINT) | whom); return KG_USB_AGAIN;
    case 1:
        kg_usb_control(d, 0x0102, 0, d->function.in.address, 0); /* CLEAR_FEATURE(ENDPOINT_HALT) */
        return KG_USB_AGAIN;
    case 2:
        kg_xhci_command(x, plat_dma_address(&d->in.trbs[d->in.at]) | d->in.cycle, TRB_TYPE(TRB_SET_DEQUEUE) | whom);
        return KG_USB_AGAIN;
    default: kg_usb_listen(d); return KG_USB_DONE;
    }
}

static const char *kind_name(const struct kg_usb *d)
{
    static const char *const names[] = {
        [KG_USB_OTHER] = "no driver", [KG_USB_KEYBOARD] = "keyboard", [KG_USB_HUB] = "hub", [KG_USB_STORAGE] = "disk"};
    return d->ready || d->function.kind == KG_USB_OTHER ? names[d->function.kind] : "does not work";
}

/* The port of the controller, then those of the hubs: "usb 1.3". */
static size_t write_place(const struct kg_usb *d, char *text, size_t size)
{
    size_t n = kg_format(text, size, "usb %u", d->root_port);
    for (uint32_t route = d->route; route; route >>= 4) {
        n += kg_format(text + n, size - n, ".%u", route & 15);
    }
    return n;
}

bool kg_usb_keyboard_name(const struct kg_unit *unit, uint32_t i, char *text, size_t size)
{
    const struct kg_xhci *x = unit->device->state;
    for (uint32_t j = 0; j < KG_USB_DEVICES; j++) {
        const struct kg_usb *d = &x->devices[j];
        if (d->used && d->ready && d->function.kind == KG_USB_KEYBOARD && i-- == 0) {
            write_place(d, text, size);
            return true;
        }
    }
    return false;
}

/* As "usb 1.3  0627:0001  keyboard". */
bool kg_usb_describe(const struct kg_device *device, uint32_t i, char *text, size_t size)
{
    const struct kg_xhci *x = device->state;
    for (uint32_t j = 0; j < KG_USB_DEVICES; j++) {
        const struct kg_usb *d = &x->devices[j];
        if (!d->used || d->dying || (x->job && d == x->target) || i-- > 0) {
            continue;
        }
        size_t n = write_place(d, text, size);
        kg_format(text + n, size - n, "  %04x:%04x  %s", d->vendor, d->product, kind_name(d));
        return true;
    }
    return false;
}

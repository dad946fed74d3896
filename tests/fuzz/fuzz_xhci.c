/* The rings of an xHCI controller that says anything: events for commands and transfers that the driver waits for, with
 * results by the input, events for nothing, ports that change, keys that are read and disks. The input: a byte for the
 * controller, then a byte for each thing that happens, with what belongs to it. */
#include <stdlib.h>
#include <string.h>

#include "../hosted/drivers.h"
#include "kgpt/platform.h"
#include "made_dma.h"
#include "promise.h"

#define HERE (3u << 3)
#define FUZZ_BASE 0xFE000000u
#define FUZZ_SIZE 0x4000u
#define FUZZ_OPERATIONAL 0x40u
#define FUZZ_RUNTIME 0x1000u
#define FUZZ_DOORBELLS 0x2000u
#define FUZZ_PORTS 3u
#define MOST_PIECES 128
#define MOST_WAITED 6000000u /* hand-over, stop, reset, start, and until the first disks are known */
#define N_REQUESTS 4u
#define REQUEST_BYTES 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *said;
static size_t n_said;
static uint64_t now, waited;
static uint32_t status, ports[FUZZ_PORTS + 1], event_at, event_cycle, variant;
static struct kg_block_request requests[N_REQUESTS];
static uint8_t bytes[N_REQUESTS][REQUEST_BYTES];

UNWATCHED static uint64_t next_said(uint32_t n)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < n && n_said; i++, n_said--) {
        value |= (uint64_t)*said++ << 8 * i;
    }
    return value;
}

bool plat_pci_buses(uint32_t i, struct kg_pci_buses *buses)
{
    *buses = (struct kg_pci_buses){0, 0, 0, false};
    return i == 0;
}

UNWATCHED uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size)
{
    uint32_t value = address != HERE   ? UINT32_MAX
                     : offset == 0     ? 0x00011234u
                     : offset == 8     ? 0x0C033000u
                     : offset == BAR0  ? FUZZ_BASE | 4
                     : offset == 0x04u ? 6
                                       : 0;
    return size == 4 ? value : value >> 8 * (offset & 3) & ((1u << 8 * size) - 1);
}

uint64_t plat_pci_place(uint64_t size, bool wide)
{
    return wide ? size : 0;
}

void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value)
{
    (void)address;
    (void)offset;
    (void)size;
    (void)value;
}

bool plat_virtio_registers(uint32_t i, struct kg_bar *bar)
{
    (void)i;
    (void)bar;
    return false;
}

volatile uint8_t *plat_map(uint64_t base, uint64_t size)
{
    promise(size);
    return (volatile uint8_t *)(uintptr_t)base;
}

static uint64_t read_controller(uint64_t address, uint32_t size)
{
    uint32_t at = (uint32_t)(address - FUZZ_BASE);
    promise(size == 4 && at <= FUZZ_SIZE - 4);
    switch (at) {
    case 0: return 0x01000000 | FUZZ_OPERATIONAL;
    case 4: return FUZZ_PORTS << 24 | 1 << 8 | 16;
    case 8: return (variant & 3) << 27;
    case 0x10: return (variant & 4) | (variant >> 3 & 1);
    case 0x14: return FUZZ_DOORBELLS;
    case 0x18: return FUZZ_RUNTIME;
    case FUZZ_OPERATIONAL + 4: return status;
    case FUZZ_OPERATIONAL + 8: return 1;
    default: break;
    }
    uint32_t port = (at - FUZZ_OPERATIONAL - XHCI_PORTS) / PORT_SIZE + 1;
    return at >= FUZZ_OPERATIONAL + XHCI_PORTS && port <= FUZZ_PORTS ? ports[port] | 1 << 9 : 0;
}

static void write_controller(uint64_t address, uint32_t size, uint64_t value)
{
    uint32_t at = (uint32_t)(address - FUZZ_BASE), port = (at - FUZZ_OPERATIONAL - XHCI_PORTS) / PORT_SIZE + 1;
    promise(size == 4 && at <= FUZZ_SIZE - 4);
    if (at == FUZZ_OPERATIONAL) {
        status = value & USBCMD_RUN ? 0 : USBSTS_HALTED;
    } else if (at >= FUZZ_OPERATIONAL + XHCI_PORTS && port <= FUZZ_PORTS) {
        ports[port] &= ~((uint32_t)value & PORT_CHANGES);
        ports[port] |= value & (PORT_RESET | PORT_WARM_RESET) ? PORT_ENABLED | 1u << 21 : 0;
    }
}

void plat_text(enum kg_voice voice, const char *text, size_t n)
{
    promise(voice == KG_VOICE_KERNEL && n && text[n - 1] == '\n');
}

void plat_delay_us(uint32_t us)
{
    now += us;
    waited += us;
    promise(waited <= MOST_WAITED);
}

uint64_t plat_ticks(void)
{
    return now;
}

uint64_t plat_ticks_hz(void)
{
    return 1000000;
}

static void tell(struct kg_xhci *x, uint64_t parameter, uint32_t told, uint32_t control)
{
    struct kg_xhci_trb *event = &x->events[event_at];
    *event = (struct kg_xhci_trb){parameter, told, (control & ~1u) | event_cycle};
    if (++event_at == 256) {
        event_at = 0;
        event_cycle ^= 1;
    }
}

/* A good answer to the control transfer that was asked for last. */
static uint32_t fill_good_answer(struct kg_xhci *x, uint8_t *buffer)
{
    static const uint8_t device[18] = {18, 1, 0, 2, 0, 0, 0, 64, 9, 4, 20, 0, 0, 1, 0, 0, 0, 1};
    static const uint8_t functions[3][32] = {
        {9, 2, 25, 0, 1, 1, 0, 160, 50, 9, 4, 0, 0, 1, 3, 1, 1, 0, 7, 5, 0x81, 3, 8, 0, 10},
        {9, 2, 25, 0, 1, 1, 0, 160, 50, 9, 4, 0, 0, 1, 9, 0, 0, 0, 7, 5, 0x81, 3, 1, 0, 12},
        {9, 2, 32, 0, 1, 1, 0, 160, 50, 9, 4, 0, 0, 2, 8, 6, 80, 0, 7, 5, 0x81, 2, 0, 2, 0, 7, 5, 2, 2, 0, 2, 0},
    };
    static const uint8_t hub[9] = {9, 0x29, 4, 0, 0, 5, 0, 0, 0xFF};
    uint32_t what = (uint32_t)next_said(1);
    if (x->job == kg_usb_hub_port) {
        uint32_t port = (what & 1 ? HUB_CONNECTED : 0) | (what & 2 ? HUB_ENABLED : 0) | HUB_POWER;
        port |= (what & 4 ? CHANGED_CONNECTION : 0) | (what & 8 ? 1u << 20 : 0) | (what & 16 ? HUB_LOW : 0);
        memcpy(buffer, &port, sizeof port);
        return sizeof port;
    }
    if (x->step <= 5) {
        memcpy(buffer, device, sizeof device);
        return sizeof device;
    }
    bool configuration = x->step <= 7;
    memcpy(buffer, configuration ? functions[what % 3] : hub, configuration ? sizeof functions[0] : sizeof hub);
    return configuration ? functions[what % 3][2] : sizeof hub;
}

static void answer_control(struct kg_xhci *x, bool good)
{
    struct kg_usb *d = x->op.device;
    uint8_t *buffer = kg_usb_buffer(d);
    uint32_t n = 0, code = KG_XHCI_SUCCESS, where = TRB_SLOT(d->slot) | TRB_ENDPOINT(1) | TRB_TYPE(EVENT_TRANSFER);
    if (good) {
        n = fill_good_answer(x, buffer);
    } else {
        code = (uint32_t)next_said(1);
        for (n = 0; n < 16; n++) {
            buffer[n] = (uint8_t)next_said(1);
        }
    }
    if (x->op.data_trb && n < x->op.wanted) {
        tell(x, x->op.data_trb, (uint32_t)KG_XHCI_SHORT << 24 | (x->op.wanted - n), where);
    }
    tell(x, x->op.trb, code << 24, where);
}

static void answer_command(struct kg_xhci *x, bool good)
{
    uint32_t code = good ? KG_XHCI_SUCCESS : (uint32_t)next_said(1), slot = 1;
    while (slot < 16 && device_of_slot(x, slot)) {
        slot++;
    }
    slot = good ? slot : (uint32_t)next_said(1);
    tell(x, x->op.trb, code << 24, TRB_TYPE(EVENT_COMMAND) | TRB_SLOT(slot));
}

/* What a disk says: its data, then a status with the tag that is waited for. */
static void answer_disk_command(struct kg_xhci *x, struct kg_usb_storage *s, bool good)
{
    uint32_t in = TRB_SLOT(s->device->slot) | TRB_ENDPOINT(s->device->in_dci) | TRB_TYPE(EVENT_TRANSFER);
    uint32_t words[4] = {STATUS_SIGNATURE, s->tag, 0, good ? 0 : (uint32_t)next_said(1)};
    if (!s->status_trb) {
        uint8_t *data = kg_usb_storage_data(s);
        static const uint8_t capacity[8] = {0, 0, 1, 0, 0, 0, 2, 0};
        if (good && s->luns[s->lun].state != KG_LUN_INQUIRY) {
            memcpy(data, capacity, sizeof capacity);
        } else if (!good) {
            for (uint32_t i = 0; i < 36; i++) {
                data[i] = (uint8_t)next_said(1);
            }
        }
        uint32_t code = good ? KG_XHCI_SUCCESS : (uint32_t)next_said(1);
        tell(x, s->data_trb, code << 24 | (good ? 0 : (uint32_t)next_said(1)), in);
        return;
    }
    words[2] = good ? 0 : (uint32_t)next_said(2);
    words[1] ^= !good && next_said(1) == 1;
    memcpy(kg_usb_report(s->device, 0) + AT_STATUS, words, STATUS_BYTES);
    tell(x, s->status_trb, (uint32_t)KG_XHCI_SUCCESS << 24, in);
}

static void hear_report(struct kg_xhci *x, struct kg_usb *d)
{
    for (uint32_t i = 0; i < 8; i++) {
        kg_usb_report(d, 0)[i] = (uint8_t)next_said(1);
    }
    uint32_t what = (uint32_t)next_said(1), code = what & 0x80 ? what & 31 : KG_XHCI_SUCCESS;
    tell(x, plat_dma_address(&d->in.trbs[what % KG_XHCI_RING]), code << 24 | (what & 0x40 ? 5 : 0),
         TRB_SLOT(d->slot) | TRB_ENDPOINT(d->in_dci) | TRB_TYPE(EVENT_TRANSFER));
}

static void change_port(struct kg_xhci *x)
{
    uint32_t what = (uint32_t)next_said(1), port = what % FUZZ_PORTS + 1, speed = what >> 2 & 7;
    ports[port] = (what & 0x20 ? 1u : 0) | (what & 0x40 ? 2u : 0) | speed << 10 | 1u << 17;
    tell(x, (uint64_t)port << 24, (uint32_t)KG_XHCI_SUCCESS << 24, TRB_TYPE(EVENT_PORT));
}

static void use_units(uint32_t what)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_INPUT, 0);
    for (int i = 0; unit && i < 4; i++) {
        int byte = unit->input.read(unit);
        promise(byte >= -4 && byte <= 255);
    }
    char name[24]; /* as app/shell/devices.c has it */
    for (uint32_t i = 0; unit && unit->input.name(unit, i, name, sizeof name); i++) {
        promise(i < KG_USB_DEVICES && memcmp(name, "usb ", 4) == 0 && strlen(name) < sizeof name);
    }
    struct kg_block_request *request = &requests[what % N_REQUESTS];
    unit = NULL;
    for (struct kg_unit *other = units; other; other = other->next) {
        unit = other->kind == KG_UNIT_BLOCK && !other->gone ? other : unit;
    }
    if (unit && request->state != KG_BLOCK_RUNNING) {
        uint32_t most = REQUEST_BYTES / unit->block.sector_size;
        most = most < unit->block.most_sectors ? most : unit->block.most_sectors;
        kg_block_begin(unit, request, what, what % most + 1, bytes[what % N_REQUESTS]);
    }
}

static void happen(struct kg_xhci *x)
{
    uint32_t what = (uint32_t)next_said(1), which = what >> 4;
    struct kg_usb *d = &x->devices[which % 8];
    struct kg_usb_storage *s = &x->storages[which % 2];
    switch (what % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
        if (x->op.kind == KG_OP_COMMAND) {
            answer_command(x, what % 16);
        } else if (x->op.kind == KG_OP_CONTROL) {
            answer_control(x, what % 16);
        }
        break;
    case 4:
    case 5:
    case 6:
        if (s->device && s->busy) {
            answer_disk_command(x, s, what % 16 != 4);
        }
        break;
    case 7:
        if (d->used && d->ready && d->in_dci && d->memory) {
            hear_report(x, d);
        }
        break;
    case 8: change_port(x); break;
    case 9: now += 10000 * next_said(1); break;
    case 10: use_units(which); break;
    case 11: {
        uint64_t parameter = next_said(8);
        uint32_t told = (uint32_t)next_said(4);
        tell(x, parameter, told, (uint32_t)next_said(4));
        break;
    }
    default: now += 20000; break;
    }
}

UNWATCHED static void check(const struct kg_xhci *x)
{
    uint32_t keyboards = 0;
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        const struct kg_usb *d = &x->devices[i];
        keyboards += d->used && d->ready && d->function.kind == KG_USB_KEYBOARD;
        promise(d->n_ports <= KG_USB_HUB_PORTS && d->depth <= 5);
        for (uint32_t j = 0; d->used && d->slot && j < i; j++) {
            promise(!x->devices[j].used || x->devices[j].slot != d->slot);
        }
    }
    promise(keyboards == x->n_keyboards);
    for (uint32_t i = 0; i < KG_USB_STORAGES; i++) {
        for (uint32_t j = 0; j < KG_USB_LUNS; j++) {
            const struct kg_usb_lun *lun = &x->storages[i].luns[j];
            promise(lun->n <= KG_USB_REQUESTS && (lun->n == 0 || lun->state == KG_LUN_WORKS));
        }
    }
}

static void switch_on(void)
{
    static const uint32_t speeds[] = {3, 1, 4};
    read_register = read_controller;
    write_register = write_controller;
    first = NULL;
    last = &first;
    units = NULL;
    last_unit = &units;
    looked = false;
    n_devices = 0;
    n_free_bytes = 0;
    made_dma_begin(MOST_PIECES);
    now = waited = 0;
    status = USBSTS_HALTED;
    event_at = 0;
    event_cycle = 1;
    memset(requests, 0, sizeof requests);
    for (uint32_t i = 1; i <= FUZZ_PORTS; i++) {
        ports[i] = 1u | speeds[i - 1] << 10 | 1u << 17;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    said = data;
    n_said = size;
    variant = (uint32_t)next_said(1);
    switch_on();
    struct kg_device *device = (struct kg_device *)(uintptr_t)plat_devices();
    promise(device && device->state);
    while (n_said && !device->problem) {
        happen(device->state);
        plat_poll();
        if (n_said % 16 == 0) {
            check(device->state);
        }
    }
    kg_devices_stop();
    for (uint32_t i = 0; i < N_REQUESTS; i++) {
        promise(requests[i].state != KG_BLOCK_RUNNING || device->problem);
    }
    return 0;
}

/* xHCI controllers (xHCI 1.2): taken over from the firmware, reset, polled. See usb.h. */
#include "kgpt/mem.h"
#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "registers.h"
#include "usb.h"

#define HCSPARAMS1 0x04u
#define HCSPARAMS2 0x08u
#define HCCPARAMS1 0x10u
#define DBOFF 0x14u
#define RTSOFF 0x18u
#define ADDRESSES_64 1u
#define CONTEXTS_64 4u
#define INTERRUPTER 0x20u
#define ERSTSZ 0x08u
#define ERSTBA 0x10u
#define ERDP 0x18u

#define CAPABILITY_LEGACY 1u
#define CAPABILITY_PROTOCOL 2u
#define MOST_CAPABILITIES 64
#define OWNED_BY_BIOS (1u << 16)
#define OWNED_BY_OS (1u << 24)
#define SMI_CONTROL 4u
#define SMI_KEPT 0x000E1FEEu   /* what a write must not change */
#define SMI_EVENTS 0xE0000000u /* cleared by writing 1 */

#define STEP_US 100u
#define HANDOVER_STEPS 10000 /* a second */
#define HALT_STEPS 1000
#define XHCI_RESET_STEPS 5000 /* half a second */
#define EVENTS 256u
#define PAGE 4096u
#define MOST_JOB_STEPS 16
#define LOOK_MS 50u
#define FIRST_LOOK_MS 150u
#define SETTLE_MS 3000u /* what is plugged in at the start may be found until then */

static uint32_t read32(const struct kg_xhci *x, uint64_t offset)
{
    return offset <= x->size - 4 ? kg_mmio_read32(x->registers + offset) : UINT32_MAX;
}

static void write64(volatile uint8_t *at, uint64_t value)
{
    kg_mmio_write32(at, (uint32_t)value);
    kg_mmio_write32(at + 4, (uint32_t)(value >> 32));
}

static bool wait_register(const struct kg_xhci *x, uint32_t offset, uint32_t mask, uint32_t wanted, uint32_t steps)
{
    for (uint32_t i = 0; i < steps; i++) {
        uint32_t value = kg_mmio_read32(x->operational + offset);
        if (value == UINT32_MAX) {
            return false;
        }
        if ((value & mask) == wanted) {
            return true;
        }
        plat_delay_us(STEP_US);
    }
    return false;
}

/* The firmware uses the controller for its own keyboard driver; afterwards its SMIs are off. */
static void take_from_firmware(const struct kg_xhci *x, uint32_t at)
{
    volatile uint8_t *legacy = x->registers + at;
    uint32_t value = kg_mmio_read32(legacy);
    kg_mmio_write32(legacy, value | OWNED_BY_OS);
    for (uint32_t i = 0; i < HANDOVER_STEPS && (kg_mmio_read32(legacy) & OWNED_BY_BIOS); i++) {
        plat_delay_us(STEP_US);
    }
    if (at + SMI_CONTROL <= x->size - 4) {
        uint32_t smis = kg_mmio_read32(legacy + SMI_CONTROL);
        kg_mmio_write32(legacy + SMI_CONTROL, (smis & SMI_KEPT) | SMI_EVENTS);
    }
}

static void take_protocol(struct kg_xhci *x, uint32_t at)
{
    uint32_t ports = read32(x, at + 8u), first = ports & 255, n = ports >> 8 & 255;
    bool is_super = read32(x, at) >> 24 >= 3;
    for (uint32_t i = first; i < first + n && i <= x->n_ports; i++) {
        x->ports[i].is_super = is_super;
    }
}

static void read_capabilities(struct kg_xhci *x)
{
    uint32_t at = (read32(x, HCCPARAMS1) >> 16) * 4;
    bool taken = false;
    for (int i = 0; i < MOST_CAPABILITIES && at && at <= x->size - 16; i++) {
        uint32_t value = read32(x, at), next = (value >> 8 & 255) * 4;
        if (value == UINT32_MAX) {
            return;
        }
        if ((value & 255) == CAPABILITY_LEGACY && !taken) {
            taken = true;
            take_from_firmware(x, at);
        } else if ((value & 255) == CAPABILITY_PROTOCOL) {
            take_protocol(x, at);
        }
        at = next ? at + next : 0;
    }
}

static const char *find_registers(struct kg_xhci *x, struct kg_device *device)
{
    x->device = device;
    x->registers = kg_device_map(device, 0);
    x->size = device->bars[0].size;
    if (!x->registers || x->size < XHCI_PORTS) {
        return "its registers cannot be mapped";
    }
    uint32_t first = read32(x, 0), parameters = read32(x, HCSPARAMS1), capabilities = read32(x, HCCPARAMS1);
    if (first == UINT32_MAX || parameters == UINT32_MAX) {
        return "it does not answer";
    }
    uint64_t doorbells = read32(x, DBOFF) & ~3u, runtime = read32(x, RTSOFF) & ~31u, operational = first & 255;
    x->n_slots = parameters & 255;
    x->n_ports = (uint8_t)(parameters >> 24);
    if (!x->n_slots || !x->n_ports || operational + XHCI_PORTS + PORT_SIZE * x->n_ports > x->size ||
        doorbells + 4u * (x->n_slots + 1u) > x->size || runtime + INTERRUPTER * 2 > x->size) {
        return "its registers are nonsense";
    }
    x->operational = x->registers + operational;
    x->runtime = x->registers + runtime;
    x->doorbells = x->registers + doorbells;
    x->context = capabilities & CONTEXTS_64 ? 64 : 32;
    x->limit = capabilities & ADDRESSES_64 ? UINT64_MAX : UINT32_MAX;
    return NULL;
}

static const char *reset_controller(const struct kg_xhci *x)
{
    kg_mmio_write32(x->operational + USBCMD, 0);
    if (!wait_register(x, USBSTS, USBSTS_HALTED, USBSTS_HALTED, HALT_STEPS)) {
        return "it does not stop";
    }
    kg_mmio_write32(x->operational + USBCMD, USBCMD_RESET);
    plat_delay_us(1000); /* some controllers hang if a register is read at once */
    if (!wait_register(x, USBCMD, USBCMD_RESET, 0, XHCI_RESET_STEPS) ||
        !wait_register(x, USBSTS, USBSTS_NOT_READY, 0, XHCI_RESET_STEPS)) {
        return "it does not end its reset";
    }
    return NULL;
}

/* Memory that the controller wants for itself: pages, named by an array. */
static bool give_scratchpads(struct kg_xhci *x)
{
    uint32_t parameters = read32(x, HCSPARAMS2), n = (parameters >> 21 & 31) << 5 | (parameters >> 27 & 31);
    uint32_t pages = kg_mmio_read32(x->operational + XHCI_PAGESIZE) & 0xFFFF, page = PAGE;
    while (page < PAGE << 15 && !(pages & page / PAGE)) {
        page <<= 1;
    }
    uint64_t *list = n ? plat_dma(n * sizeof *list, PAGE * 2, x->limit) : NULL;
    for (uint32_t i = 0; list && i < n; i++) {
        void *memory = plat_dma(page, page, x->limit);
        if (!memory) {
            return false;
        }
        list[i] = plat_dma_address(memory);
    }
    if (list) {
        x->contexts[0] = plat_dma_address(list);
    }
    return !n || list;
}

static const char *give_memory(struct kg_xhci *x)
{
    /* A page for the array of contexts and the table of event rings, one for commands, one for events. */
    uint8_t *memory = plat_dma(3 * PAGE, 4 * PAGE, x->limit);
    if (!memory) {
        return "no memory is left for its rings";
    }
    uint64_t *table = (uint64_t *)(memory + PAGE / 2 + 1024);
    x->contexts = (uint64_t *)memory;
    kg_xhci_ring_begin(&x->commands, memory + PAGE);
    x->events = (struct kg_xhci_trb *)(memory + 2 * PAGE);
    x->event_cycle = 1;
    table[0] = plat_dma_address(x->events);
    table[1] = EVENTS;
    if (!give_scratchpads(x)) {
        return "no memory is left for its scratchpads";
    }
    kg_mmio_write32(x->operational + XHCI_CONFIG, x->n_slots);
    write64(x->operational + DCBAAP, plat_dma_address(x->contexts));
    write64(x->operational + CRCR, plat_dma_address(x->commands.trbs) | 1);
    kg_mmio_write32(x->runtime + INTERRUPTER + ERSTSZ, 1);
    write64(x->runtime + INTERRUPTER + ERDP, plat_dma_address(x->events));
    write64(x->runtime + INTERRUPTER + ERSTBA, plat_dma_address(table));
    return NULL;
}

static void begin_port(struct kg_xhci *x, uint32_t i)
{
    volatile uint8_t *port = x->operational + XHCI_PORTS + PORT_SIZE * (i - 1u);
    uint32_t state = kg_mmio_read32(port);
    if (!(state & PORT_POWER)) {
        kg_mmio_write32(port, (state & PORT_KEPT) | PORT_POWER);
    }
    kg_usb_settle(&x->ports[i]);
}

/* A byte that was typed. There is no end while a keyboard may still be found, or plugged in again. */
static int read_typed(struct kg_unit *unit)
{
    struct kg_xhci *x = unit->device->state;
    if (x->restart) {
        x->restart = false;
        return KG_READ_RESTART;
    }
    if (x->typed_in != x->typed_out) {
        return x->typed[x->typed_out++ % KG_USB_TYPED];
    }
    bool settled = plat_ticks() - x->started > kg_usb_ticks(SETTLE_MS);
    return x->had_keyboard || x->job || !settled ? KG_READ_NONE : KG_READ_END;
}

static const char *start_xhci(struct kg_device *device)
{
    struct kg_xhci *x = device->state;
    const char *problem = find_registers(x, device);
    if (problem) {
        return problem;
    }
    read_capabilities(x);
    problem = reset_controller(x);
    if (problem) {
        return problem;
    }
    kg_device_master(device, true);
    problem = give_memory(x);
    if (problem) {
        return problem;
    }
    kg_mmio_write32(x->operational + USBCMD, USBCMD_RUN);
    if (!wait_register(x, USBSTS, USBSTS_HALTED, 0, HALT_STEPS)) {
        return "it does not start";
    }
    x->started = x->looked = plat_ticks();
    for (uint32_t i = 1; i <= x->n_ports; i++) {
        begin_port(x, i);
    }
    x->unit.input.read = read_typed;
    x->unit.input.name = kg_usb_keyboard_name;
    kg_unit_add(&x->unit, KG_UNIT_INPUT, device);
    return NULL;
}

static void begin_job(struct kg_xhci *x, kg_usb_job *job, struct kg_usb *target, uint32_t port)
{
    x->job = job;
    x->step = 0;
    x->target = target;
    x->target_port = (uint8_t)port;
}

/* The job that frees the slot of a device that is gone. */
static enum kg_usb_step free_device(struct kg_xhci *x)
{
    struct kg_usb *d = x->target;
    if (x->step++ == 0 && d->slot) {
        kg_xhci_command(x, 0, TRB_TYPE(TRB_DISABLE_SLOT) | TRB_SLOT(d->slot));
        return KG_USB_AGAIN;
    }
    if (d->slot) {
        x->contexts[d->slot] = 0;
    }
    d->used = d->dying = false;
    return KG_USB_DONE;
}

static bool port_wants_job(struct kg_usb_port *port)
{
    if (!port->check || plat_ticks() < port->settled) {
        return false;
    }
    port->check = false;
    return true;
}

static bool device_wants_job(struct kg_xhci *x, struct kg_usb *d)
{
    if (d->dying) {
        begin_job(x, free_device, d, 0);
    } else if (!d->ready) {
        return false;
    } else if (d->halted) {
        d->halted = false;
        begin_job(x, kg_usb_unhalt, d, 0);
    } else if (d->function.kind == KG_USB_STORAGE) {
        const struct kg_usb_storage *storage = kg_usb_storage_of(x, d);
        if (storage && storage->mend != KG_MEND_NOTHING) {
            begin_job(x, kg_usb_storage_mend, d, 0);
        }
    } else if (d->function.kind == KG_USB_KEYBOARD && d->keys.lights != d->keys.decoder.locks) {
        begin_job(x, kg_usb_lights, d, 0);
    }
    for (uint32_t i = 1; !x->job && i <= d->n_ports; i++) {
        if (port_wants_job(&d->ports[i])) {
            begin_job(x, kg_usb_hub_port, d, i);
        }
    }
    return x->job;
}

static void find_job(struct kg_xhci *x)
{
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        if (x->devices[i].used && device_wants_job(x, &x->devices[i])) {
            return;
        }
    }
    for (uint32_t i = 1; i <= x->n_ports; i++) {
        if (port_wants_job(&x->ports[i])) {
            begin_job(x, kg_usb_root_port, NULL, i);
            return;
        }
    }
}

/* A controller that is gone, or that has stopped or reset itself. */
static bool controller_failed(struct kg_xhci *x)
{
    if (plat_ticks() - x->looked < kg_usb_ticks(LOOK_MS)) {
        return false;
    }
    x->looked = plat_ticks();
    uint32_t status = kg_mmio_read32(x->operational + USBSTS);
    if (status & (USBSTS_HALTED | USBSTS_HOST_ERROR | USBSTS_NOT_READY | USBSTS_CONTROLLER_ERROR)) {
        kg_device_fail(x->device, "it has stopped by itself");
    }
    return x->device->problem;
}

static void poll_xhci(struct kg_device *device)
{
    struct kg_xhci *x = device->state;
    if (controller_failed(x)) {
        return;
    }
    kg_xhci_take_events(x);
    for (uint32_t i = 0; x->n_keyboards && i < KG_USB_DEVICES; i++) {
        struct kg_usb *d = &x->devices[i];
        if (d->used && d->ready && d->function.kind == KG_USB_KEYBOARD) {
            kg_usb_repeat_keys(d);
        }
    }
    for (uint32_t i = 0; i < KG_USB_STORAGES; i++) {
        if (x->storages[i].device) {
            kg_usb_storage_poll(&x->storages[i]);
        }
    }
    for (int i = 0; i < MOST_JOB_STEPS && !device->problem && kg_xhci_op_ended(x); i++) {
        if (!x->job) {
            find_job(x);
        }
        if (!x->job) {
            break;
        }
        if (x->job(x) == KG_USB_DONE) {
            x->job = NULL;
        }
    }
}

/* What is plugged in when the machine starts may still be found. */
static bool is_xhci_settling(const struct kg_device *device)
{
    const struct kg_xhci *x = device->state;
    uint64_t age = plat_ticks() - x->started;
    bool settling = x->job || age < kg_usb_ticks(FIRST_LOOK_MS);
    for (uint32_t i = 0; i < KG_USB_STORAGES; i++) {
        settling = settling || kg_scsi_settling(&x->storages[i]);
    }
    for (uint32_t i = 1; i <= x->n_ports; i++) {
        settling = settling || x->ports[i].check;
    }
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        const struct kg_usb *d = &x->devices[i];
        for (uint32_t port = 1; d->used && d->ready && port <= d->n_ports; port++) {
            settling = settling || d->ports[port].check;
        }
    }
    return settling && age < kg_usb_ticks(SETTLE_MS);
}

static void stop_xhci(struct kg_device *device)
{
    struct kg_xhci *x = device->state;
    if (x->operational && !kg_device_gone(device)) {
        kg_mmio_write32(x->operational + USBCMD, 0);
        wait_register(x, USBSTS, USBSTS_HALTED, USBSTS_HALTED, HALT_STEPS);
    }
}

extern const struct kg_driver kg_xhci;
const struct kg_driver kg_xhci = {
    .name = "xhci",
    .state_size = sizeof(struct kg_xhci),
    .start = start_xhci,
    .poll = poll_xhci,
    .settling = is_xhci_settling,
    .describe = kg_usb_describe,
    .stop = stop_xhci,
};

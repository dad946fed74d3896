/* AHCI controllers of SATA drives (AHCI 1.3.1), polled. Commands wait in the list of their port, and the drive runs
 * them in turn: without native queueing an error concerns one command. */
#include "ahci_parts.h"
#include "kgpt/mem.h"
#include "kgpt/mmio.h"
#include "kgpt/platform.h"

enum ahci_register {
    AHCI_CAP = 0x00,
    AHCI_CONTROL = 0x04,
    AHCI_PORTS_THERE = 0x0C,
    AHCI_CAP2 = 0x24,
    AHCI_HANDOVER = 0x28,
    AHCI_FIRST_PORT = 0x100,
};

#define AHCI_PORT_BYTES 0x80u
#define AHCI_ABAR 5u
#define AHCI_ENABLE (1u << 31)
#define AHCI_RESET 1u
#define AHCI_HAS_64 (1u << 31)
#define AHCI_HAS_HANDOVER 1u
#define AHCI_BIOS_OWNS 1u
#define AHCI_OS_OWNS 2u
#define AHCI_BIOS_BUSY (1u << 4)

#define AHCI_LINK_UP(link) (((link) & 15) == 3)

#define AHCI_STOP_US 500000u   /* by the specification */
#define AHCI_RESET_US 1000000u /* by the specification */
#define AHCI_BIOS_US 2000000u  /* by the specification */
#define AHCI_QUIET_POLLS 256u  /* polls without an end before the link is looked at */

/* Ends all requests of a port: `ok` those that have left the list with their bytes, if nothing failed. */
static void end_port_requests(struct ahci_port *port, uint32_t issued, bool failed)
{
    for (uint32_t i = 0; i < port->n_slots; i++) {
        struct kg_block_request *request = port->slots[i].request;
        if (request && (failed || !(issued >> i & 1))) {
            bool whole =
                request->operation != KG_BLOCK_READ || port->shared->list[i].transferred == port->slots[i].bytes;
            if (port->slots[i].bounced && request->operation == KG_BLOCK_READ) {
                memcpy(request->memory, port->bounce + i * AHCI_BOUNCE, port->slots[i].bytes);
            }
            port->slots[i].request = NULL;
            port->quiet = 0;
            kg_block_finish(&port->unit, request, !(issued >> i & 1) && whole && !failed);
        }
    }
}

static void poll_port(struct ahci_port *port)
{
    uint32_t issued = kg_ahci_read(port, AHCI_ISSUE);
    bool failed = false;
    if (issued == AHCI_GONE && kg_device_gone(port->unit.device)) {
        kg_device_fail(port->unit.device, "it no longer answers");
        return;
    }
    kg_dma_barrier();
    if (issued || ++port->quiet % AHCI_QUIET_POLLS == 0) {
        failed = kg_ahci_read(port, AHCI_STATUS) & AHCI_ERROR_BITS;
    }
    end_port_requests(port, issued, failed);
    if (!AHCI_LINK_UP(kg_ahci_read(port, AHCI_LINK)) || (failed && !kg_ahci_restart(port))) {
        end_port_requests(port, issued, true);
        kg_unit_remove(&port->unit);
    }
}

static void poll_ahci(struct kg_device *device)
{
    struct ahci *ahci = device->state;
    for (uint32_t i = 0; i < AHCI_PORTS && !device->problem; i++) {
        struct ahci_port *port = &ahci->ports[i];
        if (port->added && !port->unit.gone && port->unit.block.running) {
            poll_port(port);
        }
    }
}

/* Asks the firmware to leave the controller alone. One that does not answer is overruled. */
static void take_from_bios(const struct ahci *ahci)
{
    volatile uint8_t *handover = ahci->registers + AHCI_HANDOVER;
    if (kg_mmio_read32(ahci->registers + AHCI_CAP2) & AHCI_HAS_HANDOVER) {
        kg_mmio_write32(handover, kg_mmio_read32(handover) | AHCI_OS_OWNS);
        kg_ahci_wait(handover, AHCI_BIOS_OWNS | AHCI_BIOS_BUSY, 0, AHCI_BIOS_US);
    }
}

/* Stops all ports, by a reset of the controller if one does not stop. `there`: a bit for each port. */
static bool stop_ports(const struct ahci *ahci, uint32_t there)
{
    bool stopped = true;
    for (uint32_t i = 0; i < AHCI_PORTS && stopped; i++) {
        const volatile uint8_t *port = ahci->registers + AHCI_FIRST_PORT + i * AHCI_PORT_BYTES;
        stopped = !(there >> i & 1) || kg_ahci_stop_port(port, AHCI_STOP_US);
    }
    volatile uint8_t *control = ahci->registers + AHCI_CONTROL;
    if (!stopped) {
        kg_mmio_write32(control, AHCI_ENABLE | AHCI_RESET);
        stopped = kg_ahci_wait(control, AHCI_RESET, 0, AHCI_RESET_US);
        kg_mmio_write32(control, AHCI_ENABLE);
    }
    return stopped;
}

static const char *start_ahci(struct kg_device *device)
{
    struct ahci *ahci = device->state;
    const struct kg_bar *bar = &device->bars[AHCI_ABAR];
    ahci->registers = bar->size >= AHCI_FIRST_PORT + AHCI_PORT_BYTES ? kg_device_map(device, AHCI_ABAR) : NULL;
    if (!ahci->registers) {
        return "its registers cannot be mapped";
    }
    take_from_bios(ahci);
    kg_mmio_write32(ahci->registers + AHCI_CONTROL, AHCI_ENABLE);
    uint32_t cap = kg_mmio_read32(ahci->registers + AHCI_CAP);
    uint32_t there = kg_mmio_read32(ahci->registers + AHCI_PORTS_THERE), n_slots = (cap >> 8 & 31) + 1;
    if (cap == AHCI_GONE && there == AHCI_GONE) {
        return "it no longer answers";
    }
    uint64_t fit = (bar->size - AHCI_FIRST_PORT) / AHCI_PORT_BYTES;
    there &= fit < AHCI_PORTS ? (1u << fit) - 1 : UINT32_MAX;
    if (!stop_ports(ahci, there)) {
        return "it does not reset";
    }
    kg_device_master(device, true);
    ahci->wide = cap & AHCI_HAS_64;
    for (uint32_t i = 0; i < AHCI_PORTS; i++) {
        struct ahci_port *port = &ahci->ports[i];
        if (there >> i & 1) {
            port->registers = ahci->registers + AHCI_FIRST_PORT + i * AHCI_PORT_BYTES;
            port->n_slots = n_slots < AHCI_SLOTS ? n_slots : AHCI_SLOTS;
            if (kg_ahci_open_port(port, ahci)) {
                kg_ahci_add_drive(port, device);
            }
        }
    }
    return NULL;
}

static void stop_ahci(struct kg_device *device)
{
    const struct ahci *ahci = device->state;
    uint32_t there = 0;
    for (uint32_t i = 0; i < AHCI_PORTS; i++) {
        there |= ahci->ports[i].registers ? 1u << i : 0;
    }
    if (there && !kg_device_gone(device)) {
        stop_ports(ahci, there);
    }
}

extern const struct kg_driver kg_ahci;
const struct kg_driver kg_ahci = {
    .name = "ahci",
    .disks = true,
    .state_size = sizeof(struct ahci),
    .start = start_ahci,
    .poll = poll_ahci,
    .stop = stop_ahci,
};

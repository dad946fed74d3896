/* Intel's gigabit cards: e1000 (82544GC, 82540EM, 82545EM) and e1000e (82574L), with the descriptors that all of them
 * have ("legacy"). (8254x Software Developer's Manual 4.0; 82574 data sheet 3.4.) */
#include "kgpt/device.h"
#include "kgpt/mem.h"
#include "kgpt/mmio.h"

enum e1000_register {
    E1000_CTRL = 0x0000,
    E1000_STATUS = 0x0008,
    E1000_ICR = 0x00C0, /* reading it clears it */
    E1000_IMC = 0x00D8,
    E1000_RCTL = 0x0100,
    E1000_TCTL = 0x0400,
    E1000_TIPG = 0x0410,
    E1000_RX = 0x2800, /* a ring: address, length, head, tail, control */
    E1000_TX = 0x3800,
    E1000_MULTICAST = 0x5200, /* 128 registers */
    E1000_ADDRESS = 0x5400,
    E1000_END = 0x5408,
};
enum e1000_ring_register {
    RING_BASE = 0x00,
    RING_BASE_HIGH = 0x04,
    RING_LENGTH = 0x08,
    RING_HEAD = 0x10,
    RING_TAIL = 0x18,
    RING_CONTROL = 0x28,
};

#define CTRL_NO_MASTER (1u << 2) /* e1000e: finish DMA, begin no more */
#define CTRL_LINK_RESET (1u << 3)
#define CTRL_SPEED_BY_PHY (1u << 5)
#define CTRL_LINK_UP (1u << 6)
#define CTRL_INVERT_LOSS (1u << 7)
#define CTRL_FORCE (3u << 11) /* speed, duplex */
#define CTRL_RESET (1u << 26)
#define CTRL_VLAN (1u << 30)
#define CTRL_PHY_RESET (1u << 31)
#define STATUS_LINK_UP (1u << 1)
#define STATUS_MASTER (1u << 19)
#define RCTL_ON (1u << 1)
#define RCTL_BROADCAST (1u << 15)
#define RCTL_STRIP_CRC (1u << 26) /* buffers of 2,048 bytes: the size bits are 0 */
#define TCTL_ON (1u << 1)
#define TCTL_PAD (1u << 3)
#define TCTL_COLLISIONS (0x0Fu << 4 | 0x40u << 12)
#define TIPG_COPPER (8u | 8u << 10 | 6u << 20)
#define TXDCTL_WRITE_BACK (1u << 16 | 1u << 22 | 1u << 24) /* e1000e: each descriptor at once */
#define MULTICAST_REGISTERS 128u
#define ADDRESS_VALID (1u << 31)
#define ALL_ONES UINT32_MAX

#define E1000_RING 64u /* descriptors: a multiple of 8 */
#define E1000_BUFFER 2048u
#define E1000_BATCH 8u /* received descriptors that are given back with one write */
#define E1000_HEADER 14u
#define E1000_MTU 1500u
#define E1000_STEP_US 100u
#define E1000_STEPS 1000u     /* 100 ms */
#define E1000_RESET_US 10000u /* until the card has read its EEPROM */

enum { DONE = 1, END_OF_FRAME = 2 };                       /* status of a descriptor */
enum { SEND_END = 1, SEND_CRC = 2, SEND_TELL_STATUS = 8 }; /* command */

struct e1000_descriptor {
    uint64_t address;
    uint16_t length;
    uint8_t offset, command; /* received: the check sum */
    uint8_t status, errors;  /* sent: status, and where a check sum would start */
    uint16_t special;
};

struct e1000_ring {
    volatile struct e1000_descriptor *descriptors;
    uint8_t *buffers; /* one for each descriptor */
    uint32_t at;      /* the next descriptor to use */
};

struct e1000 {
    volatile uint8_t *registers; /* NULL: not mapped */
    bool express;                /* e1000e */
    struct e1000_ring received, sent;
    uint32_t oldest;  /* sent: the first descriptor that the card may still have */
    uint32_t n_taken; /* received: descriptors that were not given back */
    struct kg_unit unit;
};

static uint32_t get_e1000(const struct e1000 *card, uint32_t at)
{
    return kg_mmio_read32(card->registers + at);
}

static void set_e1000(const struct e1000 *card, uint32_t at, uint32_t value)
{
    kg_mmio_write32(card->registers + at, value);
}

/* Waits until the register has none of the bits, at most 100 ms. */
static bool wait_e1000(const struct e1000 *card, uint32_t at, uint32_t bits)
{
    for (uint32_t i = 0; i < E1000_STEPS; i++) {
        if (!(get_e1000(card, at) & bits)) {
            return true;
        }
        plat_delay_us(E1000_STEP_US);
    }
    return false;
}

/* Ends all DMA and interrupts, and resets. */
static bool reset_e1000(const struct e1000 *card)
{
    set_e1000(card, E1000_IMC, ALL_ONES);
    set_e1000(card, E1000_RCTL, 0);
    set_e1000(card, E1000_TCTL, 0);
    if (card->express) { /* a reset amid a transfer can hang the bus */
        set_e1000(card, E1000_CTRL, get_e1000(card, E1000_CTRL) | CTRL_NO_MASTER);
        wait_e1000(card, E1000_STATUS, STATUS_MASTER);
    }
    set_e1000(card, E1000_CTRL, get_e1000(card, E1000_CTRL) | CTRL_RESET);
    plat_delay_us(E1000_RESET_US);
    bool done = wait_e1000(card, E1000_CTRL, CTRL_RESET);
    set_e1000(card, E1000_IMC, ALL_ONES);
    get_e1000(card, E1000_ICR);
    return done;
}

static void stop_e1000(struct kg_device *device)
{
    const struct e1000 *card = device->state;
    if (card->registers && !kg_device_gone(device)) {
        reset_e1000(card);
    }
}

static bool make_e1000_ring(const struct e1000 *card, struct e1000_ring *ring, uint32_t registers)
{
    size_t size = E1000_RING * sizeof *ring->descriptors;
    ring->descriptors = plat_dma(size, size, UINT32_MAX);
    ring->buffers = plat_dma((size_t)E1000_RING * E1000_BUFFER, E1000_BUFFER, UINT32_MAX);
    if (!ring->descriptors || !ring->buffers) {
        return false;
    }
    for (uint32_t i = 0; i < E1000_RING; i++) {
        ring->descriptors[i].address = plat_dma_address(ring->buffers + (size_t)i * E1000_BUFFER);
    }
    uint64_t address = plat_dma_address((const void *)ring->descriptors);
    set_e1000(card, registers + RING_BASE, (uint32_t)address);
    set_e1000(card, registers + RING_BASE_HIGH, (uint32_t)(address >> 32));
    set_e1000(card, registers + RING_LENGTH, (uint32_t)size);
    set_e1000(card, registers + RING_HEAD, 0);
    set_e1000(card, registers + RING_TAIL, 0);
    return true;
}

/* Takes back the buffers of frames that were sent. */
static void poll_e1000(struct kg_device *device)
{
    struct e1000 *card = device->state;
    while (card->oldest != card->sent.at && (card->sent.descriptors[card->oldest].status & DONE)) {
        card->oldest = (card->oldest + 1) % E1000_RING;
    }
}

static bool send_e1000(struct kg_unit *unit, const void *frame, size_t n)
{
    struct e1000 *card = unit->device->state;
    struct e1000_ring *ring = &card->sent;
    uint32_t next = (ring->at + 1) % E1000_RING;
    if (unit->device->problem) {
        return false;
    }
    if (n < E1000_HEADER || n > E1000_HEADER + unit->net.mtu) {
        return true;
    }
    poll_e1000(unit->device);
    if (next == card->oldest) { /* one stays unused: a full ring would look empty */
        return false;
    }
    volatile struct e1000_descriptor *descriptor = &ring->descriptors[ring->at];
    memcpy(ring->buffers + (size_t)ring->at * E1000_BUFFER, frame, n);
    descriptor->length = (uint16_t)n;
    descriptor->offset = descriptor->status = descriptor->errors = 0;
    descriptor->special = 0;
    descriptor->command = SEND_END | SEND_CRC | SEND_TELL_STATUS;
    ring->at = next;
    kg_dma_barrier();
    set_e1000(card, E1000_TX + RING_TAIL, next);
    return true;
}

/* Gives descriptors back to the card, which owns those from its head to the one before the tail. */
static void give_back_e1000(struct e1000 *card)
{
    if (card->n_taken) {
        card->n_taken = 0;
        kg_dma_barrier();
        set_e1000(card, E1000_RX + RING_TAIL, (card->received.at + E1000_RING - 1) % E1000_RING);
    }
}

static size_t receive_e1000(struct kg_unit *unit, void *frame, size_t size)
{
    struct e1000 *card = unit->device->state;
    struct e1000_ring *ring = &card->received;
    size_t n = 0;
    for (uint32_t tries = 0; !n && !unit->device->problem && tries < E1000_RING; tries++) {
        volatile struct e1000_descriptor *descriptor = &ring->descriptors[ring->at];
        uint8_t status = descriptor->status;
        if (!(status & DONE)) {
            give_back_e1000(card);
            break;
        }
        kg_dma_barrier();
        uint16_t length = descriptor->length;
        if (length > E1000_BUFFER) {
            kg_device_fail(unit->device, "its ring is inconsistent");
            break;
        }
        if ((status & END_OF_FRAME) && !descriptor->errors && length >= E1000_HEADER && length <= size) {
            n = length;
            memcpy(frame, ring->buffers + (size_t)ring->at * E1000_BUFFER, n);
        }
        descriptor->status = 0;
        ring->at = (ring->at + 1) % E1000_RING;
        if (++card->n_taken == E1000_BATCH) {
            give_back_e1000(card);
        }
    }
    return n;
}

static bool e1000_has_link(struct kg_unit *unit)
{
    const struct e1000 *card = unit->device->state;
    uint32_t status = unit->device->problem ? 0 : get_e1000(card, E1000_STATUS);
    if (status == ALL_ONES) {
        kg_device_fail(unit->device, "its registers make no sense");
    }
    return status != ALL_ONES && (status & STATUS_LINK_UP);
}

/* The reset has read the address from the EEPROM. False: it makes no sense. */
static bool read_e1000_address(struct e1000 *card)
{
    uint32_t low = get_e1000(card, E1000_ADDRESS), high = get_e1000(card, E1000_ADDRESS + 4);
    uint64_t address = (uint64_t)(high & 0xFFFF) << 32 | low;
    for (uint32_t i = 0; i < sizeof card->unit.net.mac; i++) {
        card->unit.net.mac[i] = (uint8_t)(address >> 8 * i);
    }
    set_e1000(card, E1000_ADDRESS + 4, (high & 0xFFFF) | ADDRESS_VALID);
    return address && !(low & 1);
}

static void switch_e1000_on(const struct e1000 *card)
{
    for (uint32_t i = 0; i < MULTICAST_REGISTERS; i++) {
        set_e1000(card, E1000_MULTICAST + 4 * i, 0);
    }
    uint32_t ctrl = get_e1000(card, E1000_CTRL);
    ctrl &= ~(CTRL_NO_MASTER | CTRL_LINK_RESET | CTRL_INVERT_LOSS | CTRL_FORCE | CTRL_VLAN | CTRL_PHY_RESET);
    set_e1000(card, E1000_CTRL, ctrl | CTRL_LINK_UP | (card->express ? 0 : CTRL_SPEED_BY_PHY));
    set_e1000(card, E1000_TIPG, TIPG_COPPER);
    if (card->express) {
        set_e1000(card, E1000_TX + RING_CONTROL, TXDCTL_WRITE_BACK);
    }
    set_e1000(card, E1000_TCTL, TCTL_ON | TCTL_PAD | TCTL_COLLISIONS);
    set_e1000(card, E1000_RCTL, RCTL_ON | RCTL_BROADCAST | RCTL_STRIP_CRC);
    set_e1000(card, E1000_RX + RING_TAIL, E1000_RING - 1);
}

static const char *start_card(struct kg_device *device, bool express)
{
    struct e1000 *card = device->state;
    card->express = express;
    card->registers = device->bars[0].size >= E1000_END ? kg_device_map(device, 0) : NULL;
    if (!card->registers) {
        return "its registers cannot be mapped";
    }
    if (!reset_e1000(card)) {
        return "it does not reset";
    }
    if (!read_e1000_address(card)) {
        return "its address makes no sense";
    }
    kg_device_master(device, true);
    if (!make_e1000_ring(card, &card->received, E1000_RX) || !make_e1000_ring(card, &card->sent, E1000_TX)) {
        return "no memory is left for its frames";
    }
    switch_e1000_on(card);
    card->unit.net.mtu = E1000_MTU;
    card->unit.net.has_link = e1000_has_link;
    card->unit.net.send = send_e1000;
    card->unit.net.receive = receive_e1000;
    kg_unit_add(&card->unit, KG_UNIT_NET, device);
    return NULL;
}

static const char *start_e1000(struct kg_device *device)
{
    return start_card(device, false);
}

static const char *start_e1000e(struct kg_device *device)
{
    return start_card(device, true);
}

extern const struct kg_driver kg_e1000, kg_e1000e;
const struct kg_driver kg_e1000 = {
    .name = "e1000",
    .net = true,
    .state_size = sizeof(struct e1000),
    .start = start_e1000,
    .poll = poll_e1000,
    .stop = stop_e1000,
};
const struct kg_driver kg_e1000e = {
    .name = "e1000e",
    .net = true,
    .state_size = sizeof(struct e1000),
    .start = start_e1000e,
    .poll = poll_e1000,
    .stop = stop_e1000,
};

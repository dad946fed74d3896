/* PCI, virtio and its entropy driver on a device that says anything. The input: 256 bytes of configuration space, a
 * byte for each BAR (how many low bits do not stick), then what registers read and what the device does to the
 * memory that it shares. */
#include <stdlib.h>
#include <string.h>

#include "../hosted/drivers.h"
#include "kgpt/platform.h"
#include "made_dma.h"
#include "promise.h"

#define CONFIG 256u
#define HERE (3u << 3)
#define MOST_FRAME 1514u
#define FRAMES 70u /* more than a ring has */
#define MOST_PIECES 400
#define MOST_MAPPED (8 * KG_PCI_BARS + 1) /* of all functions, and of the device on no bus */
#define MAPPED_BASE 0xFEB00000u
#define MAPPED_MARK 0xB5u
#define ONE_S 1000000u
#define MOST_NVME_TO 4u
#define FASTER 32u            /* the clock goes, when nothing more happens */
#define BLOCK_US (16 * ONE_S) /* the timeout of disks, and its last step */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t config[CONFIG], bits[KG_PCI_BARS];
static const uint8_t *said; /* what is left of the input */
static size_t n_said;
static struct {
    uint64_t base, size;
} mapped[MOST_MAPPED];
static uint64_t us;
static uint32_t n_mapped, waited; /* waited: after the input was used up, when registers read as 0 */

/* How long a driver may wait for a device that says nothing any more: for one step of its start, its end, and one
 * request, which fails the device. */
static const struct {
    const struct kg_driver *driver;
    uint32_t us;
} bounds[] = {
    {&kg_virtio_rng, 3 * ONE_S},
    {&kg_virtio_blk, 2 * ONE_S + BLOCK_US},
    {&kg_nvme, 2 * MOST_NVME_TO * NVME_UNIT_US + NVME_ADMIN_US + NVME_STOP_US + BLOCK_US},
    {&kg_ahci, AHCI_BIOS_US + AHCI_RESET_US + AHCI_COMMAND_US + AHCI_PORTS * AHCI_LINK_US + BLOCK_US},
};

static uint32_t most_us(void)
{
    uint32_t most = 4 * ONE_S; /* xHCI, and cards of networks: no waits but those of a start */
    for (size_t i = 0; first && i < sizeof bounds / sizeof bounds[0]; i++) {
        most = first->driver == bounds[i].driver ? bounds[i].us : most;
    }
    return most;
}

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
    *buses = (struct kg_pci_buses){0, 0, 255, false};
    return i == 0;
}

UNWATCHED uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size)
{
    uint32_t value = UINT32_MAX;
    promise(offset % size == 0 && offset + size <= CONFIG);
    if ((address & ~7u) == HERE) {
        memcpy(&value, config + offset, size);
    }
    return size == 4 ? value : value & ((1u << 8 * size) - 1);
}

uint64_t plat_pci_place(uint64_t size, bool wide)
{
    return wide ? size : 0;
}

void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value)
{
    uint32_t bar = (offset - BAR0) / 4;
    promise(offset % size == 0 && offset + size <= CONFIG);
    if ((address & ~7u) != HERE) {
        return;
    }
    if (offset >= BAR0 && bar < KG_PCI_BARS) {
        uint32_t mask = bits[bar] % 33 > 31 ? 0 : UINT32_MAX << bits[bar] % 33;
        value = (value & mask & ~15u) | (config[offset] & 15);
    }
    memcpy(config + offset, &value, size);
}

/* One, if the last byte of the configuration space says so; the byte before it is its size. */
bool plat_virtio_registers(uint32_t i, struct kg_bar *bar)
{
    *bar = (struct kg_bar){.base = MAPPED_BASE, .size = (uint64_t)config[CONFIG - 2] << 4};
    return i == 0 && config[CONFIG - 1] == MAPPED_MARK;
}

volatile uint8_t *plat_map(uint64_t base, uint64_t size)
{
    promise(size && base && base + size > base && n_mapped < MOST_MAPPED);
    mapped[n_mapped].base = base;
    mapped[n_mapped++].size = size;
    return (volatile uint8_t *)(uintptr_t)base;
}

UNWATCHED static bool is_mapped(uint64_t address, uint32_t size)
{
    for (uint32_t i = 0; i < n_mapped; i++) {
        if (address >= mapped[i].base && address - mapped[i].base <= mapped[i].size - size) {
            return true;
        }
    }
    return false;
}

/* A completion of either queue, with the id and the phase that the driver waits for or others, or identity. */
static void write_nvme_memory(struct nvme *nvme)
{
    uint32_t what = (uint32_t)next_said(1);
    struct nvme_queue *queue = what & 1 ? &nvme->io : &nvme->admin;
    if (what & 2 && nvme->page) {
        uint32_t at = (uint32_t)next_said(2) % NVME_PAGE;
        nvme->page[at] = (uint8_t)next_said(1);
    } else if (what && queue->completions) {
        volatile struct nvme_completion *completion = &queue->completions[queue->head];
        uint16_t id = what & 1 ? nvme->slots[0].turn * NVME_SLOTS : nvme->admin_id;
        completion->id = (uint16_t)(id ^ (what & 4 ? next_said(2) : 0));
        completion->status = (uint16_t)(queue->phase | (what & 8 ? next_said(2) : 0));
    }
}

static void write_ahci_memory(struct ahci *ahci)
{
    uint32_t what = (uint32_t)next_said(1);
    struct ahci_shared *shared = ahci->ports[what % AHCI_PORTS].shared;
    if (shared && what & 0x80) {
        shared->identity[next_said(2) % sizeof shared->identity] = (uint8_t)next_said(1);
    } else if (shared) {
        shared->list[what % AHCI_SLOTS].transferred = (uint32_t)next_said(4);
    }
}

/* A descriptor of either ring. */
static void write_e1000_memory(struct e1000 *card)
{
    uint32_t what = (uint32_t)next_said(1);
    struct e1000_ring *ring = what & 1 ? &card->sent : &card->received;
    if (what && ring->descriptors && ring->buffers) {
        volatile struct e1000_descriptor *descriptor =
            &ring->descriptors[what & 2 ? next_said(1) % E1000_RING : ring->at];
        descriptor->length = (uint16_t)next_said(2);
        descriptor->errors = what & 4 ? (uint8_t)next_said(1) : 0;
        descriptor->address = what & 8 ? next_said(8) : descriptor->address;
        descriptor->status = (uint8_t)(what >> 4);
    }
}

/* The device writes to what it was given: never to what the driver keeps for itself. */
static void write_memory(void)
{
    struct kg_device *device = first && first->driver && first->state ? first : NULL;
    struct kg_virtqueue *q = NULL;
    if (!n_said) {
        return;
    }
    if (device && device->driver == &kg_virtio_rng) {
        q = &((struct rng *)device->state)->queue;
    } else if (device && device->driver == &kg_virtio_blk) {
        q = &((struct blk *)device->state)->queue;
    } else if (device && device->driver == &kg_virtio_net) {
        struct net *net = device->state;
        q = *said & 0x80 ? &net->sent.queue : &net->received.queue;
    } else if (device && (device->driver == &kg_e1000 || device->driver == &kg_e1000e)) {
        write_e1000_memory(device->state);
    } else if (device && device->driver == &kg_nvme) {
        write_nvme_memory(device->state);
    } else if (device && device->driver == &kg_ahci) {
        write_ahci_memory(device->state);
    }
    if (!q || !q->doorbell) {
        return;
    }
    switch (next_said(1) % 4) {
    case 0: q->used[1] = (uint16_t)next_said(2); break;
    case 1: {
        uint32_t at = (uint32_t)next_said(1) % q->size, pair[2] = {(uint32_t)next_said(1), (uint32_t)next_said(1)};
        memcpy((uint8_t *)(uintptr_t)(q->used + 2) + 8 * at, pair, sizeof pair);
        q->used[1]++;
        break;
    }
    case 2: memset(q->descriptors, (int)next_said(1), q->size * sizeof *q->descriptors); break;
    default: break;
    }
}

UNWATCHED static uint64_t read_any(uint64_t address, uint32_t size)
{
    promise(is_mapped(address, size));
    uint64_t value = next_said(size);
    for (uint32_t i = 0; first && first->driver == &kg_nvme && i < n_mapped; i++) {
        if (address == mapped[i].base) { /* CAP.TO: the bounds stay short */
            value = (value & 0xFFFFFF) | (value >> 24) % MOST_NVME_TO << 24;
        }
    }
    return value;
}

static void write_any(uint64_t address, uint32_t size, uint64_t value)
{
    (void)value;
    promise(is_mapped(address, size));
    write_memory();
}

void plat_text(enum kg_voice voice, const char *text, size_t n)
{
    promise(voice == KG_VOICE_KERNEL && n && text[n - 1] == '\n');
}

void plat_delay_us(uint32_t more)
{
    us += n_said ? more : (uint64_t)FASTER * more;
    waited += n_said ? 0 : more;
    promise(waited <= most_us() * (n_devices ? n_devices : 1));
    write_memory();
}

uint64_t plat_ticks(void)
{
    return us;
}

uint64_t plat_ticks_hz(void)
{
    return 1000000;
}

static void switch_on(const uint8_t *data)
{
    static const uint32_t identities[][2] = {{0x10421AF4, 0}, {0, 0x010802}, {0, 0x010601}, {0, 0x0C0330}};
    const char *driver = getenv("KGPT_FUZZ_DRIVER"); /* 0: virtio-blk, 1: NVMe, 2: AHCI, 3: xHCI; otherwise any */
    memcpy(config, data, CONFIG);
    if (driver && driver[0] >= '0' && driver[0] <= '3') {
        const uint32_t *identity = identities[driver[0] - '0'];
        uint32_t class_code = identity[1] << 8;
        memcpy(config, identity[0] ? &identity[0] : (const uint32_t *)(const void *)"4\x12\x78\x56", 4);
        memcpy(config + 8, &class_code, 4);
    }
    memcpy(bits, data + CONFIG, sizeof bits);
    read_register = read_any;
    write_register = write_any;
    first = NULL;
    last = &first;
    units = NULL;
    last_unit = &units;
    looked = false;
    search = (struct kg_search){0};
    n_devices = n_mapped = waited = 0;
    us = 0;
    n_free_bytes = 0;
    made_dma_begin(MOST_PIECES);
}

/* Frames out and in. */
static void use_card(struct kg_unit *unit)
{
    uint8_t *frame = malloc(MOST_FRAME); /* of this size, so that a byte beyond it is seen */
    promise(frame);
    memset(frame, 1, MOST_FRAME);
    for (uint32_t i = 0; i < FRAMES; i++) {
        unit->net.has_link(unit);
        unit->net.send(unit, frame, 14u + unit->net.mtu);
        plat_poll();
        promise(unit->net.receive(unit, frame, i % 2 ? MOST_FRAME : 60) <= (i % 2 ? MOST_FRAME : 60));
    }
    free(frame);
}

/* Reads what the devices have. */
static void use_devices(void)
{
    static uint8_t bytes[1 << 16];
    uint32_t n = 0;
    for (const struct kg_device *device = plat_devices(); device; device = device->next) {
        n++;
    }
    promise(n <= 9); /* functions, and a device on no bus */
    struct kg_unit *unit = kg_unit_find(KG_UNIT_ENTROPY, 0);
    for (int i = 0; unit && !unit->device->problem && i < 3; i++) {
        plat_poll();
        promise(unit->entropy.read(unit, bytes, 200) <= 200);
    }
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_BLOCK, i)) != NULL; i++) {
        promise(unit->block.sector_size >= 512 && unit->block.sector_size <= 4096 && unit->block.depth);
        kg_block_read(unit, 0, sizeof bytes / unit->block.sector_size, bytes);
    }
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_NET, i)) != NULL; i++) {
        promise(unit->net.mtu >= 68 && unit->net.mtu <= 1500 && !(unit->net.mac[0] & 1));
        use_card(unit);
    }
    kg_devices_stop();
    promise(!kg_unit_find(KG_UNIT_ENTROPY, 0) && !kg_unit_find(KG_UNIT_BLOCK, 0) && !kg_unit_find(KG_UNIT_NET, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < CONFIG + KG_PCI_BARS) {
        return 0;
    }
    switch_on(data);
    said = data + CONFIG + KG_PCI_BARS;
    n_said = size - CONFIG - KG_PCI_BARS;
    use_devices();
    return 0;
}

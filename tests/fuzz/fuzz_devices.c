/* PCI, virtio and its entropy driver on a device that says anything. The input: 256 bytes of configuration space, a
 * byte for each BAR (how many low bits do not stick), then what registers read and what the device does to the
 * memory that it shares. */
#include <stdlib.h>
#include <string.h>

#include "../hosted/drivers.h"
#include "promise.h"

#define CONFIG 256u
#define HERE (3u << 3)
#define MOST_PIECES 64
#define MOST_MAPPED (8 * KG_PCI_BARS) /* of all functions */
#define MOST_US 3000000u              /* of all waits together */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t config[CONFIG], bits[KG_PCI_BARS];
static const uint8_t *said; /* what is left of the input */
static size_t n_said;
static struct {
    uint64_t base, size;
} mapped[MOST_MAPPED];
static uint32_t n_mapped, us;
static void *pieces[MOST_PIECES];
static size_t n_pieces;

static uint64_t next_said(uint32_t n)
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

uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size)
{
    uint32_t value = UINT32_MAX;
    promise(offset % size == 0 && offset + size <= CONFIG);
    if ((address & ~7u) == HERE) {
        memcpy(&value, config + offset, size);
    }
    return size == 4 ? value : value & ((1u << 8 * size) - 1);
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

volatile uint8_t *plat_map(uint64_t base, uint64_t size)
{
    promise(size && base && base + size > base && n_mapped < MOST_MAPPED);
    mapped[n_mapped].base = base;
    mapped[n_mapped++].size = size;
    return (volatile uint8_t *)(uintptr_t)base;
}

static bool is_mapped(uint64_t address, uint32_t size)
{
    for (uint32_t i = 0; i < n_mapped; i++) {
        if (address >= mapped[i].base && address - mapped[i].base <= mapped[i].size - size) {
            return true;
        }
    }
    return false;
}

/* The device writes to what it was given: never to what the driver keeps for itself. */
static void write_memory(void)
{
    struct rng *rng = first && first->driver == &kg_virtio_rng && first->state ? first->state : NULL;
    struct kg_virtqueue *q = rng ? &rng->queue : NULL;
    if (!q || !q->doorbell || !n_said) {
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

static uint64_t read_any(uint64_t address, uint32_t size)
{
    promise(is_mapped(address, size));
    return next_said(size);
}

static void write_any(uint64_t address, uint32_t size, uint64_t value)
{
    (void)value;
    promise(is_mapped(address, size));
    write_memory();
}

void *plat_dma(size_t size, size_t alignment, uint64_t limit)
{
    void *memory = NULL;
    (void)limit;
    promise(size && alignment >= sizeof(void *) && !(alignment & (alignment - 1)));
    if (n_pieces == MOST_PIECES || posix_memalign(&memory, alignment, size)) {
        return NULL;
    }
    pieces[n_pieces++] = memory;
    return memset(memory, 0, size);
}

uint64_t plat_dma_address(const void *memory)
{
    return (uintptr_t)memory;
}

const char *plat_dma_problem(void)
{
    return NULL;
}

void plat_delay_us(uint32_t more)
{
    us += more;
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
    memcpy(config, data, CONFIG);
    memcpy(bits, data + CONFIG, sizeof bits);
    read_register = read_any;
    write_register = write_any;
    first = NULL;
    last = &first;
    units = NULL;
    last_unit = &units;
    looked = false;
    n_devices = n_mapped = us = 0;
    n_free_bytes = n_pieces = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[200];
    if (size < CONFIG + KG_PCI_BARS) {
        return 0;
    }
    switch_on(data);
    said = data + CONFIG + KG_PCI_BARS;
    n_said = size - CONFIG - KG_PCI_BARS;
    uint32_t n = 0;
    for (const struct kg_device *device = plat_devices(); device; device = device->next) {
        n++;
    }
    promise(n <= 8); /* functions */
    struct kg_unit *unit = kg_unit_find(KG_UNIT_ENTROPY, 0);
    for (int i = 0; unit && !unit->device->problem && i < 3; i++) {
        plat_poll();
        promise(unit->entropy.read(unit, bytes, sizeof bytes) <= sizeof bytes);
    }
    kg_devices_stop();
    promise(!kg_unit_find(KG_UNIT_ENTROPY, 0) && us <= 8 * MOST_US + 3 * MOST_US);
    while (n_pieces) {
        free(pieces[--n_pieces]);
    }
    return 0;
}

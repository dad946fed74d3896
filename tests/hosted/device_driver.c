/* Device drivers on a simulated machine, for ctypes; tests/hosted/devices.py implements the machine. */
#include "drivers.h"

#include "kgpt/format.h"
#include "kgpt/platform.h"

#define MEMORY (1u << 20) /* for DMA; aligned to its size */

struct machine {
    uint32_t (*read_config)(uint32_t address, uint32_t offset, uint32_t size);
    void (*write_config)(uint32_t address, uint32_t offset, uint32_t size, uint32_t value);
    read_register_fn *read_register;
    write_register_fn *write_register;
    uint8_t (*map)(uint64_t base, uint64_t size);
    void (*delay)(uint32_t us);
    const char *dma_problem;
    uint64_t us;          /* time since the machine was switched on */
    uint64_t memory_left; /* bytes that plat_dma can still allocate */
    uint32_t n_ranges;
    struct kg_pci_buses ranges[2];
    uint32_t n_blocks; /* virtio devices that are on no bus */
    uint64_t blocks[4], block_size;
    uint64_t window; /* the next address for a BAR without one; 0: the firmware gives all */
};

static char said[4096]; /* by plat_text */
static size_t n_said;

static struct machine *machine;
static _Alignas(MEMORY) uint8_t memory[MEMORY];

/* Power-on state. */
void driver_begin(struct machine *m);
void driver_begin(struct machine *m)
{
    machine = m;
    read_register = m->read_register;
    write_register = m->write_register;
    first = NULL;
    last = &first;
    units = NULL;
    last_unit = &units;
    n_devices = 0;
    looked = false;
    search = (struct kg_search){0};
    n_said = 0;
    used_as = KG_PCI_AUTO;
    disks_are_off = net_is_off = false;
    free_bytes = NULL;
    n_free_bytes = 0;
    memset(memory, 0xA5, sizeof memory); /* plat_dma must zero its memory */
}

bool plat_pci_buses(uint32_t i, struct kg_pci_buses *buses)
{
    *buses = machine->ranges[i < machine->n_ranges ? i : 0];
    return i < machine->n_ranges;
}

uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size)
{
    return machine->read_config(address, offset, size);
}

void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value)
{
    machine->write_config(address, offset, size, value);
}

uint64_t plat_pci_place(uint64_t size, bool wide)
{
    uint64_t at = (machine->window + size - 1) & ~(size - 1);
    if (machine->window == 0 || (!wide && at > UINT32_MAX)) {
        return 0;
    }
    machine->window = at + size;
    return at;
}

bool plat_virtio_registers(uint32_t i, struct kg_bar *bar)
{
    *bar = (struct kg_bar){.base = machine->blocks[i % 4], .size = machine->block_size};
    return i < machine->n_blocks;
}

volatile uint8_t *plat_map(uint64_t base, uint64_t size)
{
    return machine->map(base, size) ? (volatile uint8_t *)(uintptr_t)base : NULL;
}

void *plat_dma(size_t size, size_t alignment, uint64_t limit)
{
    (void)limit;
    size_t used = sizeof memory - machine->memory_left, at = (used + alignment - 1) & ~(alignment - 1);
    size = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (at > sizeof memory || sizeof memory - at < size) {
        return NULL;
    }
    machine->memory_left = sizeof memory - at - size;
    memset(memory + at, 0, size);
    return memory + at;
}

uint64_t plat_dma_address(const void *at)
{
    return (uintptr_t)at;
}

void plat_text(enum kg_voice voice, const char *text, size_t n)
{
    (void)voice;
    for (size_t i = 0; i < n && n_said + 1 < sizeof said; i++) {
        said[n_said++] = text[i];
    }
}

/* What drivers told the user since the machine was switched on. */
const char *driver_said(void);
const char *driver_said(void)
{
    said[n_said] = '\0';
    return said;
}

/* The i-th thing behind the first device. False: there are no more. */
bool driver_behind(uint32_t i, char *text, size_t size);
bool driver_behind(uint32_t i, char *text, size_t size)
{
    const struct kg_device *device = plat_devices();
    return device && device->driver->describe && device->driver->describe(device, i, text, size);
}

const char *plat_dma_problem(void)
{
    return machine->dma_problem;
}

void plat_delay_us(uint32_t us)
{
    machine->us += us;
    machine->delay(us);
}

static uint64_t passed; /* by driver_poll, in microseconds */

uint64_t plat_ticks(void)
{
    return machine->us + passed;
}

uint64_t plat_ticks_hz(void)
{
    return 1000000;
}

/* The i-th device: its PCI identity, its driver's name or NULL, its problem or NULL. */
struct driver_device {
    uint32_t address, class_code, vendor, device;
    const char *driver, *problem;
    uint64_t bases[KG_PCI_BARS], sizes[KG_PCI_BARS];
};

bool driver_device(uint32_t i, struct driver_device *out);
bool driver_device(uint32_t i, struct driver_device *out)
{
    const struct kg_device *device = plat_devices();
    while (device && i-- > 0) {
        device = device->next;
    }
    if (!device) {
        return false;
    }
    *out = (struct driver_device){.address = device->pci.address,
                                  .class_code = device->pci.class_code,
                                  .vendor = device->pci.vendor,
                                  .device = device->pci.device,
                                  .driver = device->driver ? device->driver->name : NULL,
                                  .problem = device->problem};
    for (uint32_t bar = 0; bar < KG_PCI_BARS; bar++) {
        out->bases[bar] = device->bars[bar].base;
        out->sizes[bar] = device->bars[bar].size;
    }
    return true;
}

/* Bytes from the first source of entropy; -1: there is none. */
int driver_entropy(uint8_t *to, uint32_t n);
int driver_entropy(uint8_t *to, uint32_t n)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_ENTROPY, 0);
    return unit ? (int)unit->entropy.read(unit, to, n) : -1;
}

void driver_capabilities(uint32_t address, uint32_t id, uint32_t offsets[64]);
void driver_capabilities(uint32_t address, uint32_t id, uint32_t offsets[64])
{
    const struct kg_pci pci = {.address = address};
    for (uint32_t n = 0; n < 64; n++) {
        offsets[n] = kg_pci_capability(&pci, (enum kg_pci_capability)id, n);
    }
}

static struct kg_virtqueue queue;

/* Sets up queue 0 of the device with its common structure at `common`. Returns the problem, or NULL. */
const char *driver_queue(uint64_t common, uint64_t notify, uint32_t most);
const char *driver_queue(uint64_t common, uint64_t notify, uint32_t most)
{
    static struct kg_virtio virtio;
    virtio = (struct kg_virtio){
        .transport = &kg_virtio_pci,
        .common = (volatile uint8_t *)(uintptr_t)common,
        .notify = (volatile uint8_t *)(uintptr_t)notify,
        .notify_size = 4096,
    };
    queue = (struct kg_virtqueue){0};
    return kg_virtqueue_init(&queue, &virtio, 0, (uint16_t)most);
}

int driver_add(const struct kg_virtio_buffer *buffers, uint32_t n_read, uint32_t n_written);
int driver_add(const struct kg_virtio_buffer *buffers, uint32_t n_read, uint32_t n_written)
{
    return kg_virtqueue_add(&queue, buffers, n_read, n_written);
}

int driver_take(uint32_t *written);
int driver_take(uint32_t *written)
{
    return kg_virtqueue_take(&queue, written);
}

/* The n-th disk: "name sectors sector_size model" as text; false: there is none. */
bool driver_disk(uint32_t n, char *text, size_t size);
bool driver_disk(uint32_t n, char *text, size_t size)
{
    const struct kg_unit *unit = kg_unit_find(KG_UNIT_BLOCK, n);
    if (unit) {
        const struct kg_block *block = &unit->block;
        kg_format(text, size, "%s %llu %u %s", block->name, (unsigned long long)block->sectors, block->sector_size,
                  block->model);
    }
    return unit;
}

bool driver_read(uint32_t disk, uint64_t first, uint64_t n, uint8_t *to);
bool driver_read(uint32_t disk, uint64_t first, uint64_t n, uint8_t *to)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_BLOCK, disk);
    return unit && kg_block_read(unit, first, n, to);
}

bool driver_write(uint32_t disk, uint64_t open_first, uint64_t open_n, uint64_t first, uint64_t n, const uint8_t *from);
bool driver_write(uint32_t disk, uint64_t open_first, uint64_t open_n, uint64_t first, uint64_t n, const uint8_t *from)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_BLOCK, disk);
    return unit && kg_block_open(unit, open_first, open_n) && kg_block_write(unit, first, n, from);
}

/* Begins `n` reads of one sector each, then checks them until all have ended. Returns a bit for each that succeeded. */
uint32_t driver_read_at_once(uint32_t disk, uint32_t n, uint8_t *to);
uint32_t driver_read_at_once(uint32_t disk, uint32_t n, uint8_t *to)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_BLOCK, disk);
    struct kg_block_request requests[32];
    uint32_t good = 0, running = unit ? n : 0;
    for (uint32_t i = 0; i < running; i++) {
        kg_block_begin(unit, &requests[i], i, 1, to + (size_t)i * unit->block.sector_size);
    }
    for (uint32_t i = 0; i < running; i++) {
        while (kg_block_check(unit, &requests[i]) == KG_BLOCK_RUNNING) {
            plat_delay_us(10000);
        }
        good |= requests[i].state == KG_BLOCK_DONE ? 1u << i : 0;
    }
    return good;
}

/* The n-th network card: "driver mac mtu link" as text; false: there is none. */
bool driver_card(uint32_t n, char *text, size_t size);
bool driver_card(uint32_t n, char *text, size_t size)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_NET, n);
    if (unit) {
        const uint8_t *mac = unit->net.mac;
        kg_format(text, size, "%s %02x:%02x:%02x:%02x:%02x:%02x %u %s", unit->device->driver->name, mac[0], mac[1],
                  mac[2], mac[3], mac[4], mac[5], unit->net.mtu, unit->net.has_link(unit) ? "up" : "down");
    }
    return unit;
}

/* The n-th card, even after it has failed: the network stack keeps its card. */
static struct kg_unit *card(uint32_t n)
{
    plat_devices();
    struct kg_unit *unit = units;
    while (unit && (unit->kind != KG_UNIT_NET || n-- > 0)) {
        unit = unit->next;
    }
    return unit;
}

bool driver_send(uint32_t n, const uint8_t *frame, size_t size);
bool driver_send(uint32_t n, const uint8_t *frame, size_t size)
{
    struct kg_unit *unit = card(n);
    return unit && unit->net.send(unit, frame, size);
}

size_t driver_receive(uint32_t n, uint8_t *frame, size_t size);
size_t driver_receive(uint32_t n, uint8_t *frame, size_t size)
{
    struct kg_unit *unit = card(n);
    return unit ? unit->net.receive(unit, frame, size) : 0;
}

/* Lets time pass, and polls all devices. */
void driver_poll(uint32_t us);
void driver_poll(uint32_t us)
{
    passed += us;
    plat_poll();
}

/* The i-th keyboard of the n-th unit of input; false: there are no more. */
bool driver_keyboard(uint32_t n, uint32_t i, char *text, size_t size);
bool driver_keyboard(uint32_t n, uint32_t i, char *text, size_t size)
{
    const struct kg_unit *unit = kg_unit_find(KG_UNIT_INPUT, n);
    return unit && unit->input.name(unit, i, text, size);
}

/* How long the search for devices took, USB controllers alone, and the first keyboard after that, in microseconds. */
void driver_times(uint64_t times[3]);
void driver_times(uint64_t times[3])
{
    const struct kg_unit *unit = kg_unit_find(KG_UNIT_INPUT, 0);
    struct kg_search done = plat_search();
    times[0] = done.done ? done.ticks : UINT64_MAX;
    times[1] = done.usb_ticks;
    times[2] = unit ? unit->input.found : 0;
}

/* What is typed on the n-th unit of input; KG_READ_END: there is none. */
int driver_input(uint32_t n);
int driver_input(uint32_t n)
{
    struct kg_unit *unit = kg_unit_find(KG_UNIT_INPUT, n);
    return unit ? unit->input.read(unit) : KG_READ_END;
}

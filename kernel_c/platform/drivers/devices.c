/* The devices of this machine: enumerated at the first request, then started by their drivers. */
#include "devices.h"

#include "kgpt/format.h"
#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "kgpt/str.h"
#include "platform/drivers/bus/pci.h"
#include "table.h"

#define MOST_DEVICES 512u /* large servers have 200 functions */
#define PAGE 4096u
#define ALIGNMENT 16u
#define SETTLE_STEP_US 200u
#define CLASS_USB 0x0C03u

/* A virtio device that is on no bus: its first registers, and its number on PCI (Virtio 1.1, 4.2.2 and 4.1.2). */
#define VIRTIO_LEAST 0x100u
#define VIRTIO_MAGIC 0x74726976u /* "virt" */
#define VIRTIO_ID 0x008u
#define VIRTIO_IDS 64u
#define VIRTIO_VENDOR 0x1AF4u
#define VIRTIO_FIRST 0x1040u

static struct kg_device *first, **last = &first;
static struct kg_unit *units, **last_unit = &units;
static uint32_t n_devices;
static uint8_t *free_bytes; /* in the last allocated page */
static size_t n_free_bytes;
static bool looked;
static struct kg_search search;
static enum kg_pci_use used_as;
static bool usb_off;
static bool disks_are_off, net_is_off;

void plat_pci_use(enum kg_pci_use use)
{
    used_as = use;
}

void plat_disks_off(void)
{
    disks_are_off = true;
}

bool kg_disks_are_off(void)
{
    return disks_are_off;
}

void plat_net_off(void)
{
    net_is_off = true;
}

void plat_usb_off(void)
{
    usb_off = true;
}

/* Zeroed memory in whole pages; never freed. */
static void *take_device_memory(size_t size)
{
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > n_free_bytes) {
        size_t pages = (size + PAGE - 1) & ~(size_t)(PAGE - 1);
        uint8_t *taken = plat_dma(pages, PAGE, UINT64_MAX);
        if (!taken) {
            return NULL;
        }
        free_bytes = taken;
        n_free_bytes = pages;
    }
    uint8_t *result = free_bytes;
    free_bytes += size;
    n_free_bytes -= size;
    return result;
}

static const struct kg_driver *find_in_rows(const struct kg_driver_row *rows, const struct kg_pci *pci)
{
    for (const struct kg_driver_row *row = rows; row->driver; row++) {
        if (row->class_code ? row->class_code == pci->class_code
                            : row->vendor == pci->vendor && row->device == pci->device) {
            return row->driver;
        }
    }
    return NULL;
}

static struct kg_device *append_device(const struct kg_pci *pci)
{
    struct kg_device *device = n_devices < MOST_DEVICES ? take_device_memory(sizeof *device) : NULL;
    if (device) {
        const struct kg_driver *driver = find_in_rows(kg_drivers, pci);
        device->pci = *pci;
        device->driver = driver ? driver : find_in_rows(kg_net_drivers, pci);
        n_devices++;
        *last = device;
        last = &device->next;
    }
    return device;
}

static void add_device(const struct kg_pci *pci)
{
    append_device(pci);
}

/* A place for a device may be empty: then the device's number is 0. */
static void add_mapped_devices(void)
{
    struct kg_bar bar;
    for (uint32_t i = 0; i < MOST_DEVICES && plat_virtio_registers(i, &bar); i++) {
        bar.registers = bar.size >= VIRTIO_LEAST ? plat_map(bar.base, bar.size) : NULL;
        uint32_t id = bar.registers && kg_mmio_read32(bar.registers) == VIRTIO_MAGIC
                          ? kg_mmio_read32(bar.registers + VIRTIO_ID)
                          : 0;
        const struct kg_pci pci = {.vendor = VIRTIO_VENDOR, .device = (uint16_t)(VIRTIO_FIRST + id)};
        struct kg_device *device = id && id < VIRTIO_IDS ? append_device(&pci) : NULL;
        if (device) {
            device->mapped = true;
            device->bars[0] = bar;
        }
    }
}

/* Why the device is left alone; NULL: it is not. */
static const char *switched_off(const struct kg_device *device)
{
    if (device->driver->disks && disks_are_off) {
        return "left alone: disk=off";
    }
    if (device->driver->net && net_is_off) {
        return "left alone: net=off";
    }
    return usb_off && device->pci.class_code >> 8 == CLASS_USB ? "left alone: usb=off" : NULL;
}

static void start_device(struct kg_device *device)
{
    const char *off = switched_off(device);
    device->problem = off ? off : plat_dma_problem();
    if (device->problem) {
        return;
    }
    device->state = take_device_memory(device->driver->state_size);
    if (!device->state) {
        device->problem = "no memory is left for its driver";
        return;
    }
    if (!device->mapped) {
        kg_pci_wake(&device->pci);
        kg_pci_size_bars(&device->pci, device->bars);
        kg_pci_enable(&device->pci);
    }
    const char *problem = device->driver->start(device);
    if (problem) {
        kg_device_fail(device, problem);
    }
}

/* Enumerates all devices before it starts the first: BARs and bus numbers must stay as the firmware left them
 * meanwhile. */
static void look_for_devices(void)
{
    if (looked || used_as == KG_PCI_OFF) {
        return;
    }
    uint64_t begun = plat_ticks();
    looked = true;
    kg_pci_scan(used_as == KG_PCI_ALL, add_device);
    add_mapped_devices();
    for (struct kg_device *device = first; device; device = device->next) {
        if (device->driver) {
            uint64_t start = plat_ticks();
            start_device(device);
            search.usb_ticks += device->pci.class_code >> 8 == CLASS_USB ? plat_ticks() - start : 0;
        }
    }
    search.ticks = plat_ticks() - begun;
    search.done = true;
}

struct kg_search plat_search(void)
{
    return search;
}

const struct kg_device *plat_devices(void)
{
    look_for_devices();
    return first;
}

void kg_unit_add(struct kg_unit *unit, enum kg_unit_kind kind, struct kg_device *device)
{
    unit->kind = kind;
    unit->device = device;
    unit->gone = false;
    for (struct kg_unit *other = units; other; other = other->next) {
        if (other == unit) {
            return; /* plugged in again */
        }
    }
    unit->next = NULL;
    *last_unit = unit;
    last_unit = &unit->next;
}

void kg_unit_remove(struct kg_unit *unit)
{
    unit->gone = true;
}

/* Disks on a bus that tells slowly what is there: only who asks for disks waits for them. */
static void wait_for_disks(void)
{
    for (struct kg_device *device = first; device; device = device->next) {
        while (device->driver && device->driver->settling && !device->problem && device->driver->settling(device)) {
            device->driver->poll(device);
            plat_delay_us(SETTLE_STEP_US);
        }
    }
}

struct kg_unit *kg_unit_find(enum kg_unit_kind kind, uint32_t n)
{
    look_for_devices();
    if (kind == KG_UNIT_BLOCK && !disks_are_off) {
        wait_for_disks();
    }
    for (struct kg_unit *unit = units; unit; unit = unit->next) {
        if (unit->kind == kind && !unit->gone && !unit->device->problem && n-- == 0) {
            return unit;
        }
    }
    return NULL;
}

const char *plat_keyboards_awaited(void)
{
    struct kg_unit *unit;
    const char *awaited = "";
    char name[24];
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_INPUT, i)) != NULL; i++) {
        if (unit->input.name(unit, 0, name, sizeof name)) {
            return NULL;
        }
        awaited = " yet, USB keyboards are looked for"; /* another keyboard's unit has its keyboard from the start */
    }
    return awaited;
}

bool kg_block_named(const char *name, const struct kg_unit *but)
{
    for (const struct kg_unit *unit = units; unit; unit = unit->next) {
        if (unit != but && unit->kind == KG_UNIT_BLOCK && kg_streq(unit->block.name, name)) {
            return true;
        }
    }
    return false;
}

static void stop_device(struct kg_device *device, const char *problem)
{
    device->problem = kg_device_gone(device) ? "it no longer answers" : problem;
    device->driver->stop(device);
    kg_device_master(device, false);
}

void kg_device_fail(struct kg_device *device, const char *problem)
{
    char line[120];
    uint32_t at = device->pci.address;
    stop_device(device, problem);
    size_t n = kg_format(line, sizeof line, "kgpt: device %02x:%02x.%u (%s) is not used: %s\n", at >> 8 & 0xFF,
                         at >> 3 & 31, at & 7, device->driver->name, device->problem);
    plat_text(KG_VOICE_KERNEL, line, n < sizeof line ? n : sizeof line - 1);
}

volatile uint8_t *kg_device_map(struct kg_device *device, uint32_t bar)
{
    struct kg_bar *b = bar < KG_PCI_BARS ? &device->bars[bar] : NULL;
    if (b && b->size && !b->registers) {
        b->registers = plat_map(b->base, b->size);
    }
    return b ? b->registers : NULL;
}

/* Polls only enumerated devices: polling does not enumerate. */
void plat_poll(void)
{
    for (struct kg_device *device = first; device; device = device->next) {
        if (device->driver && !device->problem && device->driver->poll) {
            device->driver->poll(device);
        }
    }
}

void kg_devices_stop(void)
{
    for (struct kg_device *device = first; device; device = device->next) {
        if (device->driver && device->state && !device->problem) {
            stop_device(device, "the run has ended");
        }
    }
}

/* The contract between drivers, the machine and the rest of the kernel. A driver includes this header, kgpt/mmio.h
 * and platform/drivers/bus/pci.h; it depends on no processor and no chipset. A new driver is one file, one line in
 * its room.mk, and one row of platform/drivers/drivers.def. platform/pc implements the `plat_` functions; hosted
 * tests implement them for a simulated machine. All functions run on the first processor, outside plat_parallel. See
 * docs/platform.md, "Write a driver". */
#ifndef KGPT_DEVICE_H
#define KGPT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_PCI_BARS 6

/* A function on a PCI bus. Of a device that is `mapped`, only vendor and device are known: those that it would have
 * there. */
struct kg_pci {
    uint32_t address; /* segment << 16 | bus << 8 | device << 3 | function */
    uint16_t vendor, device;
    uint32_t class_code; /* class << 16 | subclass << 8 | programming interface */
};

/* A base address register (BAR) for memory. A driver maps it with kg_device_map. */
struct kg_bar {
    uint64_t base, size;         /* size 0: absent, without an address from the firmware, or for ports */
    volatile uint8_t *registers; /* NULL: not mapped yet */
};

struct kg_device {
    struct kg_device *next;
    struct kg_pci pci;
    bool mapped;                    /* on no bus: the firmware tells where its registers are, which are bars[0] */
    const struct kg_driver *driver; /* NULL: no driver for this function */
    const char *problem;            /* NULL: the device runs; otherwise why it was given up */
    void *state;                    /* private to the driver: state_size zeroed bytes, aligned to 16 */
    struct kg_bar bars[KG_PCI_BARS];
};

struct kg_driver {
    const char *name;
    bool disks; /* drives disks alone: not started with disk=off */
    bool net;   /* drives network cards alone: not started with net=off */
    size_t state_size;
    /* Resets the device, enables bus mastering (kg_device_master), and adds its units. Returns NULL, or the problem;
     * then the device is not used. The firmware may have used the device and left it running. */
    const char *(*start)(struct kg_device *device);
    /* Called between the layers of a forward pass and while the kernel waits for input. Must not wait. May be NULL. */
    void (*poll)(struct kg_device *device);
    /* True as long as units that were there at the start may still be found, for a bounded time. May be NULL. */
    bool (*settling)(const struct kg_device *device);
    /* Describes the i-th thing behind the device, for the command `devices`. False: there are no more. May be NULL. */
    bool (*describe)(const struct kg_device *device, uint32_t i, char *text, size_t size);
    /* Ends all DMA. Called at the end of a run, after a failure of the device, and after a start that failed at any
     * point. The device may be unplugged. */
    void (*stop)(struct kg_device *device);
};

/* A unit is the part of a device that the kernel uses: one disk of a controller, one network port. It is a member of
 * the driver's state. */
enum kg_unit_kind { KG_UNIT_BLOCK, KG_UNIT_NET, KG_UNIT_INPUT, KG_UNIT_ENTROPY };
struct kg_unit;

enum kg_block_operation { KG_BLOCK_READ, KG_BLOCK_WRITE, KG_BLOCK_FLUSH };
enum kg_block_state { KG_BLOCK_IDLE, KG_BLOCK_RUNNING, KG_BLOCK_DONE, KG_BLOCK_FAILED };

/* One request to a disk. The caller owns it and its memory, and leaves both alone while it is running. */
struct kg_block_request {
    enum kg_block_operation operation;
    enum kg_block_state state;
    uint64_t first; /* sector */
    uint32_t n;     /* sectors, 1 to most_sectors; 0 with KG_BLOCK_FLUSH */
    void *memory;   /* any memory of the arena, aligned to 4 */
    uint64_t began; /* plat_ticks() */
};

/* A disk. Drivers fill in all members but the last three, then call kg_block_add. */
struct kg_block {
    uint64_t sectors;
    uint32_t sector_size;  /* bytes: 512 to 4096, a power of two */
    uint32_t most_sectors; /* of one request */
    uint32_t depth;        /* requests that can run at once, at least 1 */
    bool writable;         /* false: read-only */
    bool caches;           /* what is written lasts only after KG_BLOCK_FLUSH */
    char model[41];        /* as the device says; empty: unknown */
    /* Begins a request, and does not wait. False: the device cannot take it. The driver's `poll` ends it with
     * kg_block_finish. If the device fails, or its unit is removed, the driver ends nothing: kg_block_check sees that.
     */
    bool (*start)(struct kg_unit *unit, struct kg_block_request *request);
    char name[12]; /* such as "nvme0" */
    uint32_t running;
    uint64_t open_first, open_end; /* sectors that kg_block_write accepts */
};

struct kg_unit {
    enum kg_unit_kind kind;
    bool gone; /* unplugged, while its device (a hub, a controller) works */
    struct kg_device *device;
    struct kg_unit *next;
    union {
        struct kg_block block;
        /* Frames begin with the Ethernet header and have no check sum. No function waits, and all may be called after
         * the device has failed. */
        struct {
            uint8_t mac[6];
            uint16_t mtu; /* bytes of payload, without the Ethernet header: 68 to 1500 */
            bool (*has_link)(struct kg_unit *unit);
            /* Copies the frame; a frame longer than the MTU allows is dropped. False: the queue is full, try again. */
            bool (*send)(struct kg_unit *unit, const void *frame, size_t n);
            /* Bytes of the frame; 0: there is none. A frame longer than `size` is dropped. */
            size_t (*receive)(struct kg_unit *unit, void *frame, size_t size);
        } net;
        struct {
            int (*read)(struct kg_unit *unit); /* a byte as from a terminal, or one of KG_READ_; does not wait */
            /* Names the i-th keyboard by its place, as "usb 1.2". False: there are no more. */
            bool (*name)(const struct kg_unit *unit, uint32_t i, char *text, size_t size);
            uint32_t changes; /* how often a keyboard was found, or went */
            uint64_t found;   /* ticks from the start of the device until its first keyboard worked; 0: none yet */
        } input;
        struct {
            /* Returns the number of random bytes, at most n. Waits, within the driver's timeout. */
            size_t (*read)(struct kg_unit *unit, void *to, size_t n);
        } entropy;
    };
};

/* For drivers (platform/drivers/devices.c, block/block.c). A removed unit may be added again. */
void kg_unit_add(struct kg_unit *unit, enum kg_unit_kind kind, struct kg_device *device);
void kg_unit_remove(struct kg_unit *unit); /* no longer found; its running requests fail */

/* Adds a disk, named `kind` and the next free number. Returns false, and adds nothing, if its sizes make no sense. */
bool kg_block_add(struct kg_unit *unit, struct kg_device *device, const char *kind);
void kg_block_finish(struct kg_unit *unit, struct kg_block_request *request, bool ok);
bool kg_disks_are_off(void); /* disk=off: no disk is touched */

/* Stops the device permanently; its units are no longer found. */
void kg_device_fail(struct kg_device *device, const char *problem);

/* Maps the whole BAR, uncached, at the first call. NULL: it cannot be mapped. */
volatile uint8_t *kg_device_map(struct kg_device *device, uint32_t bar);

/* Enables or disables bus mastering (DMA). Enable it only after the device's reset. */
void kg_device_master(struct kg_device *device, bool on);

/* True if the device is unplugged or dead: its configuration space reads as all ones. */
bool kg_device_gone(const struct kg_device *device);

/* For the rest of a kernel with drivers. The first call of any of these functions enumerates the devices. */
const struct kg_device *plat_devices(void);                       /* all devices, linked by `next`; NULL: none */
struct kg_unit *kg_unit_find(enum kg_unit_kind kind, uint32_t n); /* the n-th working unit, from 0; NULL */

/* How long the search for devices took. Does not search. */
struct kg_search {
    bool done;
    uint64_t ticks;     /* of all buses, with the start of all drivers */
    uint64_t usb_ticks; /* of them, the start of USB controllers; 0: there is none */
};
struct kg_search plat_search(void);

/* Disks. A request that takes longer than a timeout fails, and its device with it. An unplugged disk fails all. */

/* Begins to read n sectors, at most block.most_sectors. Does not wait. At most block.depth requests can run at once.
 * Sets request->state: KG_BLOCK_FAILED, or KG_BLOCK_RUNNING until kg_block_check says otherwise. */
void kg_block_begin(struct kg_unit *unit, struct kg_block_request *request, uint64_t first, uint32_t n, void *to);

/* Lets the device work. Returns the request's state. Does not wait. */
enum kg_block_state kg_block_check(struct kg_unit *unit, struct kg_block_request *request);

/* Waits until the request has ended. Returns true if it succeeded. */
bool kg_block_wait(struct kg_unit *unit, struct kg_block_request *request);

/* Reads any number of sectors, several requests at a time, and waits. False: not all could be read. */
bool kg_block_read(struct kg_unit *unit, uint64_t first, uint64_t n, void *to);

/* Opens sectors for writing, in place of those that were open. False: the disk is read-only, or ends before. Call it
 * only for sectors that our own tools made for us, found by their magic. */
bool kg_block_open(struct kg_unit *unit, uint64_t first, uint64_t n);

/* Writes sectors that are open. True: the data is durable. */
bool kg_block_write(struct kg_unit *unit, uint64_t first, uint64_t n, const void *from);

/* Services of the machine for drivers. */

/* A range of buses with the same access to their configuration space. */
struct kg_pci_buses {
    uint16_t segment;
    uint8_t first, last;
    bool every; /* probe all buses: some may have no bridge that leads to them */
};

bool plat_pci_buses(uint32_t i, struct kg_pci_buses *buses); /* the i-th range; false: past the last */

/* Configuration space: 1, 2 or 4 bytes at an aligned offset below 256. Reads as all ones if no function responds. */
uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size);
void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value);

/* An address for a BAR that the firmware left without one, aligned to its size; `wide`: it may lie above 4 GiB. 0:
 * there is none. */
uint64_t plat_pci_place(uint64_t size, bool wide);

/* The registers of the i-th virtio device that is on no bus; false: past the last. */
bool plat_virtio_registers(uint32_t i, struct kg_bar *bar);

/* Maps registers, uncached. NULL if the range is RAM or has no valid addresses, or without memory for page tables. */
volatile uint8_t *plat_map(uint64_t base, uint64_t size);

/* Allocates DMA memory: zeroed, contiguous, cached and coherent, never freed. `alignment` is a power of two; to keep
 * the memory within a boundary, pass an alignment of at least its size. No byte has an address above `limit`, such
 * as UINT32_MAX. NULL: not available. */
void *plat_dma(size_t size, size_t alignment, uint64_t limit);
uint64_t plat_dma_address(const void *memory); /* bus address, of any memory */
const char *plat_dma_problem(void);            /* why devices cannot use DMA; NULL: they can */

/* Waits at least this long. A driver's timeouts are multiples of it. `poll` must not wait: it compares plat_ticks
 * (kgpt/platform.h). */
void plat_delay_us(uint32_t us);

#endif

/* The contract between drivers, the machine and the rest of the kernel. A driver includes this header, kgpt/mmio.h
 * and platform/drivers/bus/pci.h and knows neither processor nor chipset: it is one file, one line in its room's
 * list, and one row of platform/drivers/drivers.def. platform/pc implements the `plat_` functions, and so
 * does a made-up machine in hosted tests. Everything here runs on the first processor, outside plat_parallel. See
 * docs/platform.md, "Write a driver". */
#ifndef KGPT_DEVICE_H
#define KGPT_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KG_PCI_BARS 6

/* A function on a PCI bus. */
struct kg_pci {
    uint32_t address; /* segment << 16 | bus << 8 | device << 3 | function */
    uint16_t vendor, device;
    uint32_t class_code; /* class << 16 | subclass << 8 | programming interface */
};

/* A base address register that decodes memory. A driver has it mapped by kg_device_map. */
struct kg_bar {
    uint64_t base, size;         /* size 0: there is none, the firmware gave it no address, or it decodes ports */
    volatile uint8_t *registers; /* NULL: not mapped yet */
};

struct kg_device {
    struct kg_device *next;
    struct kg_pci pci;
    const struct kg_driver *driver; /* NULL: no driver knows this function */
    const char *problem;            /* NULL: the device runs; else why its driver gave it up */
    void *state;                    /* of the driver: state_size zeroed bytes, aligned to 16 */
    struct kg_bar bars[KG_PCI_BARS];
};

struct kg_driver {
    const char *name;
    size_t state_size;
    /* Resets the device, then lets it master the bus (kg_device_master), and adds its units. NULL, or what is wrong:
     * then the device is left alone. The firmware may have used the device, and may have left it running. */
    const char *(*start)(struct kg_device *device);
    /* Called between the layers of a forward pass and while the kernel waits for input. Returns at once. May be
     * NULL. */
    void (*poll)(struct kg_device *device);
    /* Ends all DMA: at the end of a run, when the device has failed, and after a start that failed, wherever it did.
     * The device may be gone by then. */
    void (*stop)(struct kg_device *device);
};

/* A unit is what the rest of the kernel uses of a device: one disk of a controller, one network port. It lies in the
 * driver's state. */
enum kg_unit_kind { KG_UNIT_BLOCK, KG_UNIT_NET, KG_UNIT_INPUT, KG_UNIT_ENTROPY };

struct kg_unit {
    enum kg_unit_kind kind;
    struct kg_device *device;
    struct kg_unit *next;
    union {
        struct {
            uint64_t sectors;
            uint32_t sector_size;  /* bytes: 512 or 4096 */
            uint32_t most_sectors; /* in one read */
            /* Waits, within the driver's bound. False: the sectors could not be read. `to` may be any memory of the
             * arena. */
            bool (*read)(struct kg_unit *unit, uint64_t first, uint32_t n, void *to);
        } block;
        struct {
            uint8_t mac[6];
            uint16_t mtu; /* bytes of payload, without the Ethernet header */
            bool (*has_link)(struct kg_unit *unit);
            bool (*send)(struct kg_unit *unit, const void *frame, size_t n);   /* copies; false: no room, try again */
            size_t (*receive)(struct kg_unit *unit, void *frame, size_t size); /* 0: nothing came; never waits */
        } net;
        struct {
            int (*read)(struct kg_unit *unit); /* a byte as typed at a terminal, or one of KG_READ_; never waits */
        } input;
        struct {
            /* Returns how many bytes it gave, at most n. Waits, within the driver's bound. */
            size_t (*read)(struct kg_unit *unit, void *to, size_t n);
        } entropy;
    };
};

/* For drivers (platform/drivers/devices.c). */
void kg_unit_add(struct kg_unit *unit, enum kg_unit_kind kind, struct kg_device *device);

/* Stops the device for good; its units are no longer found. */
void kg_device_fail(struct kg_device *device, const char *problem);

/* Maps the whole BAR, uncached, at the first call. NULL: it cannot be mapped. */
volatile uint8_t *kg_device_map(struct kg_device *device, uint32_t bar);

/* Lets the device read and write memory by itself, or no longer: on only after its reset. */
void kg_device_master(struct kg_device *device, bool on);

/* True if the device is unplugged or dead: its configuration space reads all ones. */
bool kg_device_gone(const struct kg_device *device);

/* For the rest of a kernel that has drivers. The devices are looked for at the first call of any of these. */
const struct kg_device *plat_devices(void);                       /* all, linked by `next`; NULL: none was found */
struct kg_unit *kg_unit_find(enum kg_unit_kind kind, uint32_t n); /* the n-th that works, from 0; NULL */

/* What the machine gives to drivers. */

/* A range of buses that share a way to their configuration space. */
struct kg_pci_buses {
    uint16_t segment;
    uint8_t first, last;
    bool every; /* buses may be there that no bridge leads to: look at each */
};

bool plat_pci_buses(uint32_t i, struct kg_pci_buses *buses); /* the i-th range; false: there is none */

/* Configuration space: 1, 2 or 4 bytes at an aligned offset below 256. All ones where nothing answers. */
uint32_t plat_pci_read(uint32_t address, uint32_t offset, uint32_t size);
void plat_pci_write(uint32_t address, uint32_t offset, uint32_t size, uint32_t value);

/* Maps registers, uncached. NULL where that cannot be: RAM, no such addresses, no memory for page tables. */
volatile uint8_t *plat_map(uint64_t base, uint64_t size);

/* Memory that a device may read and write by itself: zeroed, contiguous, cached and coherent, never given back.
 * `alignment` is a power of two; memory that must not cross a boundary is asked for with an alignment of at least
 * its size. No byte has an address above `limit`, such as UINT32_MAX. NULL: there is none. */
void *plat_dma(size_t size, size_t alignment, uint64_t limit);
uint64_t plat_dma_address(const void *memory); /* what the device calls it; of any memory, not of plat_dma's alone */
const char *plat_dma_problem(void);            /* why no device can reach memory; NULL: they can */

/* Waits at least so long: a wait for a device is a number of these. `poll` waits for nothing: it compares plat_ticks
 * (kgpt/platform.h). */
void plat_delay_us(uint32_t us);

#endif

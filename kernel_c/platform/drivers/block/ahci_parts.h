/* The parts of the AHCI driver: the controller (ahci.c), its ports (ahci_port.c), and their drives (ahci_drive.c). */
#ifndef KGPT_DRIVERS_BLOCK_AHCI_PARTS_H
#define KGPT_DRIVERS_BLOCK_AHCI_PARTS_H

#include "kgpt/device.h"

#define AHCI_PORTS 32u
#define AHCI_SLOTS 8u          /* commands that wait at a port, at most */
#define AHCI_BOUNCE (1u << 16) /* bytes of a request for a controller that does not reach all memory */

enum ahci_port_register {
    AHCI_LIST = 0x00,     /* 64 bits */
    AHCI_RECEIVED = 0x08, /* 64 bits */
    AHCI_STATUS = 0x10,
    AHCI_INTERRUPTS = 0x14,
    AHCI_COMMAND = 0x18,
    AHCI_TASK = 0x20,
    AHCI_SIGNATURE = 0x24,
    AHCI_LINK = 0x28,
    AHCI_ERRORS = 0x30,
    AHCI_ISSUE = 0x38,
};

#define AHCI_ERROR_BITS 0x78000000u /* of AHCI_STATUS: the task file, the bus, the interface */
#define AHCI_GONE UINT32_MAX

/* Memory that the controller reads and writes, of one port. */
struct ahci_shared {
    struct {
        uint32_t flags;
        volatile uint32_t transferred; /* bytes */
        uint64_t table;
        uint32_t reserved[4];
    } list[32]; /* 1 KB, aligned to 1 KB */
    struct {
        uint8_t command[64], packet[16], reserved[48];
        uint64_t memory;
        uint32_t unused, last; /* of the only range: its last byte */
        uint8_t padding[112];
    } tables[AHCI_SLOTS];  /* 256 bytes each, aligned to 128 */
    uint8_t received[256]; /* aligned to 256 */
    uint8_t identity[512];
};

struct ahci_command {
    uint8_t opcode;
    bool writes;
    uint64_t first;
    uint32_t count;
    void *memory;
    uint32_t bytes;
    const uint8_t *packet; /* 12 bytes, of ATAPI; NULL: none */
};

struct ahci_port {
    volatile uint8_t *registers; /* NULL: nothing is there */
    struct ahci_shared *shared;
    struct kg_unit unit;
    bool is_disc, added; /* is_disc: an ATAPI drive */
    uint32_t n_slots, quiet;
    struct {
        struct kg_block_request *request; /* NULL: free */
        uint32_t bytes;
        bool bounced; /* its data goes through the port's memory below 4 GiB */
    } slots[AHCI_SLOTS];
    uint8_t *bounce; /* AHCI_BOUNCE bytes for each slot; NULL: the controller reaches all memory */
};

struct ahci {
    volatile uint8_t *registers; /* NULL: not mapped */
    bool wide;                   /* addresses of 64 bits */
    struct ahci_port ports[AHCI_PORTS];
};

uint32_t kg_ahci_read(const struct ahci_port *port, uint32_t offset); /* a register */

/* Waits until (register & mask) == value. */
bool kg_ahci_wait(const volatile uint8_t *at, uint32_t mask, uint32_t value, uint32_t limit_us);

/* Stops commands, then the reception of what the drive sends: the port uses no memory any more. */
bool kg_ahci_stop_port(const volatile uint8_t *port, uint32_t limit_us);

/* Gives the port its memory, and waits for a drive's first report. False: there is none, or no memory for it. */
bool kg_ahci_open_port(struct ahci_port *port, const struct ahci *ahci);

/* Puts the command into a slot, and begins it. Does not wait. */
void kg_ahci_issue(struct ahci_port *port, uint32_t slot, const struct ahci_command *command);

/* Runs a command in slot 0, and waits. False: it failed, or the drive does not answer. */
bool kg_ahci_run(struct ahci_port *port, const struct ahci_command *command);

/* Stops and starts the processing of commands: after an error. False: the port does not stop. */
bool kg_ahci_restart(struct ahci_port *port);

/* Adds the drive at a port that runs, if it can be used. */
void kg_ahci_add_drive(struct ahci_port *port, struct kg_device *device);

#endif

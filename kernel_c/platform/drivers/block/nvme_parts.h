/* The parts of the NVMe driver: the controller (nvme.c), its queues (nvme_queue.c), and the disks that it has
 * (nvme_disks.c). */
#ifndef KGPT_DRIVERS_BLOCK_NVME_PARTS_H
#define KGPT_DRIVERS_BLOCK_NVME_PARTS_H

#include "kgpt/device.h"

#define NVME_PAGE 4096u
#define NVME_SLOTS 16u   /* commands that can run at once; a power of two */
#define NVME_ENTRIES 32u /* of the queue for namespaces, at most */
#define NVME_DISKS 8u    /* namespaces that become disks, at most */

/* The id of a command: its slot, and how often the slot was used, so that an old id is not taken for a new one. */
#define NVME_ID(slot, turn) ((uint16_t)((slot) | ((uint32_t)(turn) & 0x7FF) * NVME_SLOTS))

enum nvme_register {
    NVME_CAP = 0x00,
    NVME_CC = 0x14,
    NVME_CSTS = 0x1C,
    NVME_AQA = 0x24,
    NVME_ASQ = 0x28,
    NVME_ACQ = 0x30,
    NVME_DOORBELLS = 0x1000,
};

#define NVME_GONE UINT32_MAX
#ifndef NVME_STEP_US /* a fuzzer makes it long: its devices are silent for as long as a driver waits */
#define NVME_STEP_US 100u
#endif
#define NVME_UNIT_US 500000u /* of CAP.TO */

struct nvme_command {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t namespace;
    uint64_t reserved, metadata;
    uint64_t first, second; /* pages of memory (PRP 1 and 2) */
    uint32_t words[6];      /* command words 10 to 15 */
};

struct nvme_completion {
    uint32_t result, reserved;
    uint16_t queue_head, queue;
    uint16_t id, status; /* bit 0 of the status: the phase */
};

struct nvme_queue {
    struct nvme_command *commands;
    volatile struct nvme_completion *completions;
    volatile uint8_t *tail_doorbell, *head_doorbell;
    uint32_t entries, tail, head;
    uint16_t phase; /* of the next completion */
};

struct nvme {
    volatile uint8_t *registers; /* NULL: not mapped */
    uint64_t timeout_us;         /* of a change of CC.EN */
    uint32_t doorbell_shift, most_entries;
    struct nvme_queue admin, io;
    uint16_t admin_id;
    bool dead;       /* an admin command was never completed */
    uint8_t *page;   /* what the controller says of itself and of its namespaces */
    uint64_t *lists; /* a page of addresses for each slot */
    uint32_t n_slots, quiet;
    struct {
        struct kg_block_request *request; /* NULL: free */
        struct kg_unit *unit;
        uint16_t turn;
    } slots[NVME_SLOTS];
    uint32_t n_disks;
    struct {
        struct kg_unit unit;
        uint32_t id; /* of the namespace */
    } disks[NVME_DISKS];
};

/* Runs an admin command, and waits. False: it failed, or nothing answers. */
bool kg_nvme_command(struct nvme *nvme, struct nvme_command *command);

/* The next completion: its id, and its status, 0 if the command succeeded. False: none. The caller rings the head's
 * doorbell. */
bool kg_nvme_take(struct nvme_queue *queue, uint16_t *id, uint16_t *status);

/* kg_block.start */
bool kg_nvme_start(struct kg_unit *unit, struct kg_block_request *request);

/* Creates the queue for namespaces, and adds a disk for each. Returns NULL, or the problem. */
const char *kg_nvme_find_disks(struct nvme *nvme, struct kg_device *device);

#endif

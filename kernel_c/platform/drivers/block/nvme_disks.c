/* What an NVMe controller has: its limits, and its namespaces, each of which is a disk. */
#include "kgpt/mem.h"
#include "model_name.h"
#include "nvme_parts.h"

enum nvme_admin_opcode { NVME_CREATE_SQ = 1, NVME_CREATE_CQ = 5, NVME_IDENTIFY = 6, NVME_SET_FEATURES = 9 };
enum nvme_identity { NVME_OF_NAMESPACE = 0, NVME_OF_CONTROLLER = 1, NVME_ACTIVE_NAMESPACES = 2 };

#define NVME_FEATURE_QUEUES 7u
#define NVME_CONTIGUOUS 1u
#define NVME_QUEUE 1u /* the number of the queue for namespaces */

enum nvme_controller_field { NVME_MODEL = 24, NVME_MDTS = 77, NVME_COUNT = 516, NVME_CACHE = 525 };
enum nvme_namespace_field { NVME_SIZE = 0, NVME_FORMAT = 26, NVME_ATTRIBUTES = 99, NVME_FORMATS = 128 };

#define NVME_MODEL_BYTES 40u
#define NVME_MOST_BYTES (1u << 20) /* of one request: its pages fit into one list */
#define NVME_MDTS_MOST 8u          /* 4 KB << 8 is a megabyte */

static uint64_t nvme_field(const struct nvme *nvme, uint32_t offset, uint32_t size)
{
    uint64_t value = 0;
    memcpy(&value, nvme->page + offset, size);
    return value;
}

/* Fills the page. */
static bool identify_nvme(struct nvme *nvme, enum nvme_identity what, uint32_t namespace)
{
    struct nvme_command command = {.opcode = NVME_IDENTIFY,
                                   .namespace = namespace,
                                   .first = plat_dma_address(nvme->page),
                                   .words = {(uint32_t)what}};
    memset(nvme->page, 0, NVME_PAGE);
    return kg_nvme_command(nvme, &command);
}

static bool create_nvme_queue(struct nvme *nvme)
{
    uint32_t size = (nvme->io.entries - 1) << 16 | NVME_QUEUE;
    struct nvme_command queues = {.opcode = NVME_SET_FEATURES, .words = {NVME_FEATURE_QUEUES}};
    struct nvme_command completions = {.opcode = NVME_CREATE_CQ,
                                       .first = plat_dma_address((const void *)nvme->io.completions),
                                       .words = {size, NVME_CONTIGUOUS}};
    struct nvme_command commands = {.opcode = NVME_CREATE_SQ,
                                    .first = plat_dma_address(nvme->io.commands),
                                    .words = {size, NVME_QUEUE << 16 | NVME_CONTIGUOUS}};
    kg_nvme_command(nvme, &queues); /* some controllers ask for it; none needs it to succeed */
    return !nvme->dead && kg_nvme_command(nvme, &completions) && kg_nvme_command(nvme, &commands);
}

/* Adds the disk of a namespace; none if it is empty, or has metadata or sectors that we do not read. */
static void add_nvme_disk(struct nvme *nvme, struct kg_device *device, uint32_t id, const struct kg_block *common)
{
    if (nvme->n_disks == NVME_DISKS || !identify_nvme(nvme, NVME_OF_NAMESPACE, id)) {
        return;
    }
    struct kg_unit *unit = &nvme->disks[nvme->n_disks].unit;
    uint32_t flags = (uint32_t)nvme_field(nvme, NVME_FORMAT, 1), number = (flags & 15) | (flags >> 5 & 3) << 4;
    uint64_t format = nvme_field(nvme, NVME_FORMATS + 4 * number, 4);
    uint32_t metadata = format & 0xFFFF, shift = format >> 16 & 0xFF;
    if (metadata || shift < 9 || shift > 12) {
        return;
    }
    unit->block = *common;
    unit->block.sectors = nvme_field(nvme, NVME_SIZE, 8);
    unit->block.sector_size = 1u << shift;
    unit->block.most_sectors = common->most_sectors >> shift;
    unit->block.writable = !(nvme_field(nvme, NVME_ATTRIBUTES, 1) & 1);
    unit->block.start = kg_nvme_start;
    nvme->disks[nvme->n_disks].id = id;
    nvme->n_disks += kg_block_add(unit, device, "nvme");
}

/* The ids of the namespaces, 0 behind the last. A controller older than NVMe 1.1 only says how many it has. */
static bool list_nvme_namespaces(struct nvme *nvme, uint32_t n, uint32_t ids[NVME_DISKS])
{
    bool told = identify_nvme(nvme, NVME_ACTIVE_NAMESPACES, 0);
    for (uint32_t i = 0; i < NVME_DISKS; i++) {
        ids[i] = told ? (uint32_t)nvme_field(nvme, 4 * i, 4) : i < n ? i + 1 : 0;
    }
    return !nvme->dead;
}

const char *kg_nvme_find_disks(struct nvme *nvme, struct kg_device *device)
{
    uint32_t ids[NVME_DISKS], n = 0;
    if (!create_nvme_queue(nvme) || !identify_nvme(nvme, NVME_OF_CONTROLLER, 0)) {
        return "it refuses its queue, or does not say what it is";
    }
    uint64_t shift = nvme_field(nvme, NVME_MDTS, 1), count = nvme_field(nvme, NVME_COUNT, 4);
    struct kg_block common = {
        .most_sectors = shift && shift < NVME_MDTS_MOST ? NVME_PAGE << shift : NVME_MOST_BYTES,
        .caches = nvme_field(nvme, NVME_CACHE, 1) & 1,
    };
    kg_model_name(common.model, nvme->page + NVME_MODEL, NVME_MODEL_BYTES, false);
    if (!list_nvme_namespaces(nvme, count < NVME_DISKS ? (uint32_t)count : NVME_DISKS, ids)) {
        return "it does not list its namespaces";
    }
    while (n < NVME_DISKS && n < nvme->n_slots && ids[n]) {
        n++;
    }
    common.depth = n ? nvme->n_slots / n : 1;
    for (uint32_t i = 0; i < n && !nvme->dead; i++) {
        add_nvme_disk(nvme, device, ids[i], &common);
    }
    return nvme->dead ? "it does not answer" : NULL;
}

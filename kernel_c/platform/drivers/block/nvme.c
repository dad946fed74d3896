/* NVMe controllers: one admin queue, one queue for all namespaces, both polled (NVM Express 1.4). What the controller
 * writes is checked before it is used as an index. */
#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "nvme_parts.h"

#define NVME_ENABLE 1u
#define NVME_CC_VALUE (NVME_ENABLE | 6u << 16 | 4u << 20) /* entries of 64 and of 16 bytes, pages of 4 KiB */
#define NVME_SHUTDOWN (1u << 14)
#define NVME_READY 1u
#define NVME_FATAL 2u
#define NVME_SHUTDOWN_DONE(status) (((status) >> 2 & 3) == 2)

#define NVME_STOP_US 1000000u  /* the longest wait for a shutdown */
#define NVME_ADMIN_ENTRIES 8u  /* of the admin queue */
#define NVME_QUIET_POLLS 4096u /* polls without a completion before the status is read */

static uint64_t read_nvme64(const struct nvme *nvme, uint32_t offset)
{
    uint64_t low = kg_mmio_read32(nvme->registers + offset);
    return low | (uint64_t)kg_mmio_read32(nvme->registers + offset + 4) << 32;
}

static void write_nvme64(const struct nvme *nvme, uint32_t offset, uint64_t value)
{
    kg_mmio_write32(nvme->registers + offset, (uint32_t)value);
    kg_mmio_write32(nvme->registers + offset + 4, (uint32_t)(value >> 32));
}

/* Waits until CSTS.RDY is `ready`. False: a timeout, a fatal error, or no controller. */
static bool wait_nvme_ready(const struct nvme *nvme, uint32_t ready)
{
    for (uint64_t us = 0; us <= nvme->timeout_us; us += NVME_STEP_US) {
        uint32_t status = kg_mmio_read32(nvme->registers + NVME_CSTS);
        if (status == NVME_GONE || (ready && (status & NVME_FATAL))) {
            return false;
        }
        if ((status & NVME_READY) == ready) {
            return true;
        }
        plat_delay_us(NVME_STEP_US);
    }
    return false;
}

static bool disable_nvme(const struct nvme *nvme)
{
    kg_mmio_write32(nvme->registers + NVME_CC, kg_mmio_read32(nvme->registers + NVME_CC) & ~NVME_ENABLE);
    return wait_nvme_ready(nvme, 0);
}

static void poll_nvme(struct kg_device *device)
{
    struct nvme *nvme = device->state;
    uint16_t id = 0, status = 0;
    uint32_t taken = 0;
    while (nvme->n_slots && taken < nvme->io.entries && kg_nvme_take(&nvme->io, &id, &status)) {
        uint32_t slot = id % NVME_SLOTS;
        struct kg_block_request *request = slot < nvme->n_slots ? nvme->slots[slot].request : NULL;
        if (!request || id != NVME_ID(slot, nvme->slots[slot].turn)) {
            kg_device_fail(device, "it completes what it was not asked for");
            return;
        }
        nvme->slots[slot].request = NULL;
        kg_block_finish(nvme->slots[slot].unit, request, status == 0);
        taken++;
    }
    if (taken) {
        kg_mmio_write32(nvme->io.head_doorbell, nvme->io.head);
        nvme->quiet = 0;
    } else if (++nvme->quiet % NVME_QUIET_POLLS == 0) {
        uint32_t state = kg_mmio_read32(nvme->registers + NVME_CSTS);
        if (state == NVME_GONE || (state & (NVME_FATAL | NVME_READY)) != NVME_READY) {
            kg_device_fail(device, state == NVME_GONE ? "it no longer answers" : "it has reset itself");
        }
    }
}

/* Reads CAP, and disables the controller. Returns NULL, or the problem. */
static const char *reset_nvme(struct nvme *nvme, struct kg_device *device)
{
    nvme->registers = device->bars[0].size >= NVME_DOORBELLS + NVME_PAGE / 4 ? kg_device_map(device, 0) : NULL;
    if (!nvme->registers) {
        return "its registers cannot be mapped";
    }
    uint64_t cap = read_nvme64(nvme, NVME_CAP);
    nvme->doorbell_shift = cap >> 32 & 15;
    nvme->most_entries = (uint32_t)(cap & 0xFFFF) + 1;
    nvme->timeout_us = ((cap >> 24 & 0xFF) + 1) * NVME_UNIT_US;
    if (cap == UINT64_MAX) {
        return "it no longer answers";
    }
    if (NVME_DOORBELLS + 4 * (4ull << nvme->doorbell_shift) > device->bars[0].size) {
        return "its doorbells lie outside its registers";
    }
    if (!(cap >> 37 & 1) || (cap >> 48 & 15) || nvme->most_entries < 2) {
        return "it lacks the NVM command set, pages of 4 KB, or queues";
    }
    return disable_nvme(nvme) ? NULL : "it does not reset";
}

/* Memory and doorbells of queue `id`: 0 is the admin queue. */
static bool make_nvme_queue(struct nvme *nvme, struct nvme_queue *queue, uint32_t id, uint32_t entries)
{
    uint32_t stride = 4u << nvme->doorbell_shift;
    queue->entries = entries;
    queue->commands = plat_dma(entries * sizeof *queue->commands, NVME_PAGE, UINT64_MAX);
    queue->completions = plat_dma(entries * sizeof *queue->completions, NVME_PAGE, UINT64_MAX);
    queue->tail_doorbell = nvme->registers + NVME_DOORBELLS + (uint64_t)stride * (2 * id);
    queue->head_doorbell = queue->tail_doorbell + stride;
    queue->phase = 1;
    return queue->commands && queue->completions;
}

static const char *start_nvme_device(struct kg_device *device)
{
    struct nvme *nvme = device->state;
    const char *problem = reset_nvme(nvme, device);
    if (problem) {
        return problem;
    }
    uint32_t entries = nvme->most_entries < NVME_ENTRIES ? nvme->most_entries : NVME_ENTRIES;
    uint32_t n_slots = entries - 1 < NVME_SLOTS ? entries - 1 : NVME_SLOTS;
    nvme->page = plat_dma(NVME_PAGE, NVME_PAGE, UINT64_MAX);
    nvme->lists = plat_dma((size_t)n_slots * NVME_PAGE, NVME_PAGE, UINT64_MAX);
    if (!make_nvme_queue(nvme, &nvme->admin, 0, NVME_ADMIN_ENTRIES) || !make_nvme_queue(nvme, &nvme->io, 1, entries) ||
        !nvme->page || !nvme->lists) {
        return "no memory is left for its queues";
    }
    kg_device_master(device, true);
    kg_mmio_write32(nvme->registers + NVME_AQA, (NVME_ADMIN_ENTRIES - 1) << 16 | (NVME_ADMIN_ENTRIES - 1));
    write_nvme64(nvme, NVME_ASQ, plat_dma_address(nvme->admin.commands));
    write_nvme64(nvme, NVME_ACQ, plat_dma_address((const void *)nvme->admin.completions));
    kg_mmio_write32(nvme->registers + NVME_CC, NVME_CC_VALUE);
    if (!wait_nvme_ready(nvme, 1)) {
        return "it does not become ready";
    }
    nvme->n_slots = n_slots;
    return kg_nvme_find_disks(nvme, device);
}

/* Tells the controller of the end, so that it writes back its cache; then disables it. */
static void stop_nvme(struct kg_device *device)
{
    const struct nvme *nvme = device->state;
    uint32_t status = nvme->registers ? kg_mmio_read32(nvme->registers + NVME_CSTS) : NVME_GONE;
    if (status == NVME_GONE) {
        return;
    }
    if ((status & (NVME_READY | NVME_FATAL)) == NVME_READY && !nvme->dead) {
        kg_mmio_write32(nvme->registers + NVME_CC, NVME_CC_VALUE | NVME_SHUTDOWN);
        for (uint32_t us = 0; us < NVME_STOP_US && !NVME_SHUTDOWN_DONE(status); us += NVME_STEP_US) {
            plat_delay_us(NVME_STEP_US);
            status = kg_mmio_read32(nvme->registers + NVME_CSTS);
        }
    }
    disable_nvme(nvme);
}

extern const struct kg_driver kg_nvme;
const struct kg_driver kg_nvme = {
    .name = "nvme",
    .disks = true,
    .state_size = sizeof(struct nvme),
    .start = start_nvme_device,
    .poll = poll_nvme,
    .stop = stop_nvme,
};

/* The queues of an NVMe controller: admin commands one by one, reads and writes several at a time. */
#include "kgpt/mmio.h"
#include "nvme_parts.h"

#define NVME_ADMIN_US 5000000u       /* the longest wait for an admin command */
#define NVME_FORCE_ACCESS (1u << 30) /* write through the controller's cache */
enum nvme_opcode { NVME_FLUSH = 0, NVME_WRITE = 1, NVME_READ = 2 };

static void submit_nvme(struct nvme_queue *queue, const struct nvme_command *command)
{
    queue->commands[queue->tail] = *command;
    queue->tail = (queue->tail + 1) % queue->entries;
    kg_dma_barrier();
    kg_mmio_write32(queue->tail_doorbell, queue->tail);
}

bool kg_nvme_take(struct nvme_queue *queue, uint16_t *id, uint16_t *status)
{
    const volatile struct nvme_completion *completion = &queue->completions[queue->head];
    uint16_t value = completion->status;
    if ((value & 1) != queue->phase) {
        return false;
    }
    kg_dma_barrier();
    *id = completion->id;
    *status = value >> 1;
    queue->head = (queue->head + 1) % queue->entries;
    queue->phase ^= queue->head == 0;
    return true;
}

bool kg_nvme_command(struct nvme *nvme, struct nvme_command *command)
{
    struct nvme_queue *queue = &nvme->admin;
    uint16_t id = 0, status = 0;
    command->id = ++nvme->admin_id;
    submit_nvme(queue, command);
    for (uint32_t us = 0; us < NVME_ADMIN_US; us += NVME_STEP_US) {
        if (kg_nvme_take(queue, &id, &status)) {
            kg_mmio_write32(queue->head_doorbell, queue->head);
            return id == command->id && status == 0;
        }
        if (us % NVME_UNIT_US == 0 && kg_mmio_read32(nvme->registers + NVME_CSTS) == NVME_GONE) {
            break;
        }
        plat_delay_us(NVME_STEP_US);
    }
    nvme->dead = true;
    return false;
}

/* The pages of a transfer: the first in `first`, the second, or a list of the others, in `second`. */
static void list_nvme_pages(struct nvme *nvme, uint32_t slot, uint64_t address, uint32_t bytes,
                            struct nvme_command *command)
{
    uint64_t *list = nvme->lists + (uint64_t)slot * (NVME_PAGE / sizeof *list);
    uint64_t end = address + bytes, next = (address | (NVME_PAGE - 1)) + 1;
    command->first = address;
    command->second = next < end ? next : 0;
    if (next < end && end - next > NVME_PAGE) {
        for (uint32_t i = 0; next < end; next += NVME_PAGE) {
            list[i++] = next;
        }
        command->second = plat_dma_address(list);
    }
}

bool kg_nvme_start(struct kg_unit *unit, struct kg_block_request *request)
{
    static const uint8_t opcodes[] = {
        [KG_BLOCK_READ] = NVME_READ, [KG_BLOCK_WRITE] = NVME_WRITE, [KG_BLOCK_FLUSH] = NVME_FLUSH};
    struct nvme *nvme = unit->device->state;
    uint32_t slot = 0;
    while (slot < nvme->n_slots && nvme->slots[slot].request) {
        slot++;
    }
    if (slot == nvme->n_slots) {
        return false;
    }
    nvme->slots[slot].request = request;
    nvme->slots[slot].unit = unit;
    nvme->slots[slot].turn++;
    struct nvme_command command = {.opcode = opcodes[request->operation], .id = NVME_ID(slot, nvme->slots[slot].turn)};
    for (uint32_t i = 0; i < nvme->n_disks; i++) {
        command.namespace = unit == &nvme->disks[i].unit ? nvme->disks[i].id : command.namespace;
    }
    if (request->n) {
        uint64_t address = plat_dma_address(request->memory);
        list_nvme_pages(nvme, slot, address, request->n * unit->block.sector_size, &command);
        command.words[0] = (uint32_t)request->first;
        command.words[1] = (uint32_t)(request->first >> 32);
        command.words[2] = (request->n - 1) | (request->operation == KG_BLOCK_WRITE ? NVME_FORCE_ACCESS : 0);
    }
    submit_nvme(&nvme->io, &command);
    return true;
}

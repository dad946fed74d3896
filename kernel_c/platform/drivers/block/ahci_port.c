/* A port of an AHCI controller, with at most one drive. */
#include "ahci_parts.h"
#include "kgpt/mem.h"
#include "kgpt/mmio.h"

#define AHCI_START 1u
#define AHCI_SPIN_UP 2u
#define AHCI_POWER_ON 4u
#define AHCI_RECEIVE (1u << 4)
#define AHCI_RECEIVES (1u << 14)
#define AHCI_RUNS (1u << 15)
#define AHCI_BUSY 0x88u /* busy, or transferring */
#define AHCI_FAILED 1u
#ifndef AHCI_STEP_US /* a fuzzer makes it long: its devices are silent for as long as a driver waits */
#define AHCI_STEP_US 50u
#endif
#define AHCI_LINK_US 30000u       /* until a drive shows on a port */
#define AHCI_READY_US 10000000u   /* until a drive has started its motor */
#define AHCI_COMMAND_US 10000000u /* for commands before the first read */
#define AHCI_RESTART_US 2000u     /* while the kernel runs: a port that stops does so at once */

uint32_t kg_ahci_read(const struct ahci_port *port, uint32_t offset)
{
    return kg_mmio_read32(port->registers + offset);
}

static void write_port(const struct ahci_port *port, uint32_t offset, uint32_t value)
{
    kg_mmio_write32(port->registers + offset, value);
}

bool kg_ahci_wait(const volatile uint8_t *at, uint32_t mask, uint32_t value, uint32_t limit_us)
{
    for (uint32_t us = 0;; us += AHCI_STEP_US) {
        uint32_t read = kg_mmio_read32(at);
        if ((read & mask) == value && read != AHCI_GONE) {
            return true;
        }
        if (us >= limit_us || read == AHCI_GONE) {
            return false;
        }
        plat_delay_us(AHCI_STEP_US);
    }
}

bool kg_ahci_stop_port(const volatile uint8_t *port, uint32_t limit_us)
{
    volatile uint8_t *command = (volatile uint8_t *)(uintptr_t)port + AHCI_COMMAND;
    kg_mmio_write32(command, kg_mmio_read32(command) & ~AHCI_START);
    if (!kg_ahci_wait(command, AHCI_RUNS, 0, limit_us)) {
        return false;
    }
    kg_mmio_write32(command, kg_mmio_read32(command) & ~AHCI_RECEIVE);
    return kg_ahci_wait(command, AHCI_RECEIVES, 0, limit_us);
}

static void start_port(const struct ahci_port *port)
{
    write_port(port, AHCI_ERRORS, UINT32_MAX);
    write_port(port, AHCI_STATUS, UINT32_MAX);
    write_port(port, AHCI_COMMAND, kg_ahci_read(port, AHCI_COMMAND) | AHCI_RECEIVE);
    write_port(port, AHCI_COMMAND, kg_ahci_read(port, AHCI_COMMAND) | AHCI_START);
}

bool kg_ahci_restart(struct ahci_port *port)
{
    bool stopped = kg_ahci_stop_port(port->registers, AHCI_RESTART_US);
    if (stopped) {
        start_port(port);
    }
    return stopped;
}

void kg_ahci_issue(struct ahci_port *port, uint32_t slot, const struct ahci_command *command)
{
    struct ahci_shared *shared = port->shared;
    uint64_t first = command->first;
    const uint8_t fis[20] = {0x27,
                             0x80, /* a command */
                             command->opcode,
                             command->packet ? 1 : 0, /* the packet's data by DMA */
                             (uint8_t)first,
                             (uint8_t)(first >> 8),
                             (uint8_t)(first >> 16),
                             0x40, /* logical block address */
                             (uint8_t)(first >> 24),
                             (uint8_t)(first >> 32),
                             (uint8_t)(first >> 40),
                             0,
                             (uint8_t)command->count,
                             (uint8_t)(command->count >> 8)};
    memcpy(shared->tables[slot].command, fis, sizeof fis);
    if (command->packet) {
        memset(shared->tables[slot].packet, 0, sizeof shared->tables[slot].packet);
        memcpy(shared->tables[slot].packet, command->packet, 12);
    }
    shared->tables[slot].memory = plat_dma_address(command->memory);
    shared->tables[slot].last = command->bytes ? command->bytes - 1 : 0;
    shared->list[slot].flags = sizeof fis / 4 | (command->packet ? 1u << 5 : 0) | (command->writes ? 1u << 6 : 0) |
                               (command->bytes ? 1u << 16 : 0);
    shared->list[slot].transferred = 0;
    kg_dma_barrier();
    write_port(port, AHCI_ISSUE, 1u << slot);
}

/* A command that fails stays issued: an empty drive for discs must not cost the whole timeout. */
static bool wait_ahci_command(const struct ahci_port *port)
{
    uint32_t us = 0;
    while (us < AHCI_COMMAND_US && !kg_ahci_wait(port->registers + AHCI_ISSUE, 1, 0, AHCI_STEP_US) &&
           !(kg_ahci_read(port, AHCI_STATUS) & AHCI_ERROR_BITS)) {
        us += AHCI_STEP_US;
    }
    return us < AHCI_COMMAND_US;
}

bool kg_ahci_run(struct ahci_port *port, const struct ahci_command *command)
{
    kg_ahci_issue(port, 0, command);
    bool ended = wait_ahci_command(port);
    bool failed = kg_ahci_read(port, AHCI_STATUS) & AHCI_ERROR_BITS || kg_ahci_read(port, AHCI_TASK) & AHCI_FAILED;
    if (!ended || failed) {
        kg_ahci_restart(port);
        return false;
    }
    kg_dma_barrier();
    return port->shared->list[0].transferred == command->bytes;
}

bool kg_ahci_open_port(struct ahci_port *port, const struct ahci *ahci)
{
    write_port(port, AHCI_INTERRUPTS, 0);
    write_port(port, AHCI_COMMAND, kg_ahci_read(port, AHCI_COMMAND) | AHCI_SPIN_UP | AHCI_POWER_ON);
    if (!kg_ahci_wait(port->registers + AHCI_LINK, 15, 3, AHCI_LINK_US)) {
        return false;
    }
    port->shared = plat_dma(sizeof *port->shared, 4096, ahci->wide ? UINT64_MAX : UINT32_MAX);
    if (!port->shared) {
        return false;
    }
    uint64_t list = plat_dma_address(port->shared), received = plat_dma_address(port->shared->received);
    write_port(port, AHCI_LIST, (uint32_t)list);
    write_port(port, AHCI_LIST + 4, (uint32_t)(list >> 32));
    write_port(port, AHCI_RECEIVED, (uint32_t)received);
    write_port(port, AHCI_RECEIVED + 4, (uint32_t)(received >> 32));
    for (uint32_t i = 0; i < AHCI_SLOTS; i++) {
        port->shared->list[i].table = plat_dma_address(&port->shared->tables[i]);
    }
    write_port(port, AHCI_ERRORS, UINT32_MAX);
    write_port(port, AHCI_COMMAND, kg_ahci_read(port, AHCI_COMMAND) | AHCI_RECEIVE);
    if (!kg_ahci_wait(port->registers + AHCI_TASK, AHCI_BUSY, 0, AHCI_READY_US)) {
        return false;
    }
    start_port(port);
    return true;
}

/* The drives behind an AHCI controller: disks by ATA (ACS-3), discs by ATAPI packets (MMC-6). */
#include "ahci_parts.h"
#include "kgpt/mem.h"
#include "model_name.h"

enum ata_opcode {
    ATA_READ = 0x25,
    ATA_WRITE = 0x35,
    ATA_PACKET = 0xA0,
    ATA_IDENTIFY_PACKET = 0xA1,
    ATA_FLUSH = 0xEA,
    ATA_IDENTIFY = 0xEC,
};
enum atapi_opcode { ATAPI_CAPACITY = 0x25, ATAPI_READ = 0xA8 };

enum ata_word {
    ATA_MODEL = 27,
    ATA_HAS = 83,
    ATA_ENABLED = 85,
    ATA_SECTORS = 100,
    ATA_SIZES = 106,
    ATA_SECTOR_WORDS = 117,
};

#define ATA_MODEL_BYTES 40u
#define ATA_IDENTITY_BYTES 512u
#define ATA_SIGNATURE 0x00000101u
#define ATAPI_SIGNATURE 0xEB140101u
#define ATA_LBA48 (1u << 10)
#define ATA_WRITE_CACHE (1u << 5)
#define ATA_LARGE_SECTORS(sizes) (((sizes) & 0xD000) == 0x5000) /* valid, and larger than 512 bytes */
#define ATA_MOST_BYTES (1u << 20)                               /* of one request: fits into one range */
#define ATAPI_SECTOR 2048u
#define ATAPI_TRIES 5 /* after a change of the disc a drive refuses a few commands */

static uint64_t ata_words(const struct ahci_port *port, uint32_t first, uint32_t n)
{
    uint64_t value = 0;
    memcpy(&value, port->shared->identity + 2 * (size_t)first, 2 * (size_t)n);
    return value;
}

static struct ahci_command packet_read(const struct kg_block_request *request, uint8_t packet[12])
{
    uint32_t first = (uint32_t)request->first, n = request->n;
    const uint8_t bytes[12] = {ATAPI_READ,
                               0,
                               (uint8_t)(first >> 24),
                               (uint8_t)(first >> 16),
                               (uint8_t)(first >> 8),
                               (uint8_t)first,
                               (uint8_t)(n >> 24),
                               (uint8_t)(n >> 16),
                               (uint8_t)(n >> 8),
                               (uint8_t)n};
    memcpy(packet, bytes, sizeof bytes);
    return (struct ahci_command){.opcode = ATA_PACKET, .packet = packet};
}

static bool start_ahci_request(struct kg_unit *unit, struct kg_block_request *request)
{
    static const uint8_t opcodes[] = {
        [KG_BLOCK_READ] = ATA_READ, [KG_BLOCK_WRITE] = ATA_WRITE, [KG_BLOCK_FLUSH] = ATA_FLUSH};
    const struct ahci *ahci = unit->device->state;
    uint32_t i = 0, slot = 0, bytes = request->n * unit->block.sector_size;
    while (i < AHCI_PORTS && unit != &ahci->ports[i].unit) {
        i++;
    }
    struct ahci_port *port = &((struct ahci *)unit->device->state)->ports[i];
    while (slot < port->n_slots && port->slots[slot].request) {
        slot++;
    }
    bool bounced = !ahci->wide && plat_dma_address(request->memory) + bytes > UINT32_MAX;
    if (slot == port->n_slots || (bounced && !port->bounce)) {
        return false;
    }
    uint8_t *place = bounced ? port->bounce + slot * AHCI_BOUNCE : request->memory;
    uint8_t packet[12];
    struct ahci_command command = {.opcode = opcodes[request->operation], .first = request->first, .count = request->n};
    if (port->is_disc) {
        command = packet_read(request, packet);
    }
    command.writes = request->operation == KG_BLOCK_WRITE;
    command.memory = place;
    command.bytes = bytes;
    if (bounced && command.writes) {
        memcpy(place, request->memory, bytes);
    }
    port->slots[slot].request = request;
    port->slots[slot].bounced = bounced;
    port->slots[slot].bytes = bytes;
    kg_ahci_issue(port, slot, &command);
    return true;
}

static bool identify_drive(struct ahci_port *port, uint8_t opcode)
{
    const struct ahci_command command = {
        .opcode = opcode, .memory = port->shared->identity, .bytes = ATA_IDENTITY_BYTES};
    bool ok = kg_ahci_run(port, &command);
    kg_model_name(port->unit.block.model, port->shared->identity + 2 * (size_t)ATA_MODEL, ATA_MODEL_BYTES, true);
    return ok;
}

static uint32_t big_endian32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static bool size_disc(struct ahci_port *port)
{
    static const uint8_t packet[12] = {ATAPI_CAPACITY};
    const struct ahci_command command = {
        .opcode = ATA_PACKET, .memory = port->shared->identity, .bytes = 8, .packet = packet};
    bool ok = identify_drive(port, ATA_IDENTIFY_PACKET);
    bool sized = false;
    for (int i = 0; i < ATAPI_TRIES && ok && !sized; i++) {
        sized = kg_ahci_run(port, &command);
    }
    struct kg_block *block = &port->unit.block;
    block->sectors = (uint64_t)big_endian32(port->shared->identity) + 1;
    block->sector_size = ATAPI_SECTOR;
    return sized && big_endian32(port->shared->identity + 4) == ATAPI_SECTOR;
}

static bool size_disk(struct ahci_port *port)
{
    struct kg_block *block = &port->unit.block;
    if (!identify_drive(port, ATA_IDENTIFY)) {
        return false;
    }
    uint64_t words = ata_words(port, ATA_SECTOR_WORDS, 2);
    bool large = ATA_LARGE_SECTORS(ata_words(port, ATA_SIZES, 1));
    block->sector_size = !large ? 512 : words <= 2048 ? (uint32_t)words * 2 : 0;
    block->sectors = ata_words(port, ATA_SECTORS, 3);
    block->caches = ata_words(port, ATA_ENABLED, 1) & ATA_WRITE_CACHE;
    block->writable = true;
    return ata_words(port, ATA_HAS, 1) & ATA_LBA48;
}

void kg_ahci_add_drive(struct ahci_port *port, struct kg_device *device)
{
    uint32_t signature = kg_ahci_read(port, AHCI_SIGNATURE);
    struct kg_block *block = &port->unit.block;
    port->is_disc = signature == ATAPI_SIGNATURE;
    bool usable = port->is_disc ? size_disc(port) : signature == ATA_SIGNATURE && size_disk(port);
    if (usable && block->sector_size) {
        bool wide = ((const struct ahci *)device->state)->wide;
        block->most_sectors = (wide ? ATA_MOST_BYTES : AHCI_BOUNCE) / block->sector_size;
        block->depth = port->is_disc ? 1 : port->n_slots;
        port->bounce = wide ? NULL : plat_dma(block->depth * (size_t)AHCI_BOUNCE, AHCI_BOUNCE, UINT32_MAX);
        block->start = start_ahci_request;
        port->added = kg_block_add(&port->unit, device, port->is_disc ? "cd" : "sata");
    }
}

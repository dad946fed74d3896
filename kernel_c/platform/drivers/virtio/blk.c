/* Virtio block device (Virtio 1.1, 5.2). A request is a chain: header, data, and a byte for the status. */
#include "kgpt/mmio.h"
#include "virtio.h"

#define BLK_DESCRIPTORS 64u
#define BLK_REQUESTS 16u
#define BLK_MOST_BYTES (1u << 20) /* of one request */
#define BLK_UNIT 512u             /* what sectors are counted in */

#define BLK_HAS_SIZE_MAX (1ull << 1)
#define BLK_HAS_READ_ONLY (1ull << 5)
#define BLK_HAS_SECTOR_SIZE (1ull << 6)
#define BLK_HAS_FLUSH (1ull << 9)

enum blk_field { BLK_CAPACITY = 0, BLK_SIZE_MAX = 8, BLK_SECTOR_SIZE = 20, BLK_CONFIG_END = 24 };
enum blk_type { BLK_READ = 0, BLK_WRITE = 1, BLK_FLUSH = 4 };

#define BLK_OK 0u
#define BLK_NONE 0xFFu /* the device has not written one */

struct blk_header {
    uint32_t type, reserved;
    uint64_t first; /* in units of 512 bytes */
};

/* What the device reads and writes, of one request. */
struct blk_shared {
    struct blk_header header;
    uint8_t status, padding[15];
};

struct blk {
    struct kg_virtio virtio;
    struct kg_virtqueue queue;
    struct kg_unit unit;
    struct blk_shared *shared; /* one for each request */
    struct {
        struct kg_block_request *request; /* NULL: free */
        int chain;
    } slots[BLK_REQUESTS];
};

static bool start_blk_request(struct kg_unit *unit, struct kg_block_request *request)
{
    struct blk *blk = unit->device->state;
    static const uint32_t types[] = {
        [KG_BLOCK_READ] = BLK_READ, [KG_BLOCK_WRITE] = BLK_WRITE, [KG_BLOCK_FLUSH] = BLK_FLUSH};
    uint32_t i = 0, bytes = request->n * unit->block.sector_size;
    while (i < unit->block.depth && blk->slots[i].request) {
        i++;
    }
    if (i == unit->block.depth) {
        return false;
    }
    struct blk_shared *shared = &blk->shared[i];
    shared->header =
        (struct blk_header){types[request->operation], 0, request->first * (unit->block.sector_size / BLK_UNIT)};
    shared->status = BLK_NONE;
    struct kg_virtio_buffer buffers[3] = {{&shared->header, sizeof shared->header}, {request->memory, bytes}};
    uint32_t n = bytes ? 2 : 1;
    buffers[n] = (struct kg_virtio_buffer){&shared->status, 1};
    uint32_t n_read = request->operation == KG_BLOCK_READ ? 1 : n;
    blk->slots[i].chain = kg_virtqueue_add(&blk->queue, buffers, n_read, n + 1 - n_read);
    if (blk->slots[i].chain < 0) {
        return false;
    }
    blk->slots[i].request = request;
    kg_virtqueue_notify(&blk->queue);
    return true;
}

static void end_blk_request(struct blk *blk, int chain, uint32_t written)
{
    for (uint32_t i = 0; i < BLK_REQUESTS; i++) {
        struct kg_block_request *request = blk->slots[i].request;
        if (request && blk->slots[i].chain == chain) {
            uint32_t bytes = request->operation == KG_BLOCK_READ ? request->n * blk->unit.block.sector_size : 0;
            blk->slots[i].request = NULL;
            kg_block_finish(&blk->unit, request, blk->shared[i].status == BLK_OK && written == bytes + 1);
        }
    }
}

static void poll_blk(struct kg_device *device)
{
    struct blk *blk = device->state;
    uint32_t written;
    int chain;
    while ((chain = kg_virtqueue_take(&blk->queue, &written)) >= 0) {
        end_blk_request(blk, chain, written);
    }
    if (chain == KG_VIRTQUEUE_BROKEN) {
        kg_device_fail(device, "its virtqueue is inconsistent");
    }
}

/* Reads the disk's sizes from the configuration. Returns NULL, or the problem. */
static const char *read_blk_sizes(struct blk *blk, uint64_t features)
{
    struct kg_block *block = &blk->unit.block;
    volatile uint8_t *config = blk->virtio.config;
    if (!config || blk->virtio.config_size < BLK_CONFIG_END) {
        return "its configuration is missing";
    }
    uint64_t units = kg_mmio_read32(config + BLK_CAPACITY) | (uint64_t)kg_mmio_read32(config + BLK_CAPACITY + 4) << 32;
    uint32_t most = features & BLK_HAS_SIZE_MAX ? kg_mmio_read32(config + BLK_SIZE_MAX) : BLK_MOST_BYTES;
    block->sector_size = features & BLK_HAS_SECTOR_SIZE ? kg_mmio_read32(config + BLK_SECTOR_SIZE) : BLK_UNIT;
    if (block->sector_size < BLK_UNIT) {
        return "its sizes make no sense";
    }
    block->sectors = units / (block->sector_size / BLK_UNIT);
    block->most_sectors = (most < BLK_MOST_BYTES ? most : BLK_MOST_BYTES) / block->sector_size;
    block->writable = !(features & BLK_HAS_READ_ONLY);
    block->caches = features & BLK_HAS_FLUSH;
    block->start = start_blk_request;
    return NULL;
}

static const char *start_blk(struct kg_device *device)
{
    struct blk *blk = device->state;
    uint64_t features = BLK_HAS_SIZE_MAX | BLK_HAS_READ_ONLY | BLK_HAS_SECTOR_SIZE | BLK_HAS_FLUSH;
    const char *problem = kg_virtio_start(&blk->virtio, device, &features);
    if (!problem) {
        problem = read_blk_sizes(blk, features);
    }
    if (!problem) {
        problem = kg_virtqueue_init(&blk->queue, &blk->virtio, 0, BLK_DESCRIPTORS);
    }
    if (problem) {
        return problem;
    }
    blk->shared = plat_dma(BLK_REQUESTS * sizeof *blk->shared, sizeof *blk->shared, UINT64_MAX);
    if (!blk->shared) {
        return "no memory is left for its requests";
    }
    uint32_t chains = blk->queue.size / 3;
    blk->unit.block.depth = chains < BLK_REQUESTS ? chains : BLK_REQUESTS;
    kg_virtio_run(&blk->virtio);
    return kg_block_add(&blk->unit, device, "virtio") ? NULL : "its sizes make no sense";
}

extern const struct kg_driver kg_virtio_blk;
const struct kg_driver kg_virtio_blk = {
    .name = "virtio-blk",
    .disks = true,
    .state_size = sizeof(struct blk),
    .start = start_blk,
    .poll = poll_blk,
    .stop = kg_virtio_stop,
};

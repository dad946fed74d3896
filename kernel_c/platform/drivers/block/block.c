/* Disks, above their drivers: ranges, timeouts, reads in several requests, writes that are durable. */
#include "kgpt/format.h"
#include "kgpt/platform.h"
#include "platform/drivers/devices.h"

#define TIMEOUT_S 15u /* a disk that starts its motor takes 10 */
#define TIMEOUT_US (TIMEOUT_S * 1000000u)
#define LONGEST_STEP_US 1000u
#define UNMEASURED_HZ 10000000000ull /* no clock is faster, so the timeout is not shorter */
#define MOST_AT_ONCE 8u
#define SMALLEST_SECTOR 512u
#define LARGEST_SECTOR 4096u
#define NAMES 1000u

bool kg_block_add(struct kg_unit *unit, struct kg_device *device, const char *kind)
{
    struct kg_block *block = &unit->block;
    uint32_t size = block->sector_size;
    if (size < SMALLEST_SECTOR || size > LARGEST_SECTOR || (size & (size - 1)) || !block->sectors ||
        block->sectors > UINT64_MAX / size || !block->most_sectors || !block->depth) {
        return false;
    }
    block->running = 0;
    block->open_first = block->open_end = 0;
    for (uint32_t i = 0; i < NAMES; i++) {
        kg_format(block->name, sizeof block->name, "%s%u", kind, i);
        if (!kg_block_named(block->name, unit)) {
            break;
        }
    }
    kg_unit_add(unit, KG_UNIT_BLOCK, device);
    return true;
}

void kg_block_finish(struct kg_unit *unit, struct kg_block_request *request, bool ok)
{
    request->state = ok ? KG_BLOCK_DONE : KG_BLOCK_FAILED;
    unit->block.running -= unit->block.running > 0;
}

static bool is_lost(const struct kg_unit *unit)
{
    return unit->gone || unit->device->problem;
}

static bool is_inside(const struct kg_block *block, uint64_t first, uint64_t n)
{
    return first <= block->sectors && n <= block->sectors - first;
}

static void begin_request(struct kg_unit *unit, struct kg_block_request *request)
{
    struct kg_block *block = &unit->block;
    bool counts = request->operation == KG_BLOCK_FLUSH || (request->n && request->n <= block->most_sectors);
    request->state = KG_BLOCK_FAILED;
    request->began = plat_ticks();
    if (!is_lost(unit) && counts && is_inside(block, request->first, request->n) && block->running < block->depth) {
        request->state = KG_BLOCK_RUNNING;
        block->running++;
        if (!block->start(unit, request)) {
            kg_block_finish(unit, request, false);
        }
    }
}

void kg_block_begin(struct kg_unit *unit, struct kg_block_request *request, uint64_t first, uint32_t n, void *to)
{
    *request = (struct kg_block_request){.operation = KG_BLOCK_READ, .first = first, .n = n, .memory = to};
    begin_request(unit, request);
}

static bool is_late(const struct kg_block_request *request)
{
    uint64_t hz = plat_ticks_hz();
    return plat_ticks() - request->began > (hz ? hz : UNMEASURED_HZ) * TIMEOUT_S;
}

enum kg_block_state kg_block_check(struct kg_unit *unit, struct kg_block_request *request)
{
    struct kg_device *device = unit->device;
    if (request->state == KG_BLOCK_RUNNING && !is_lost(unit)) {
        device->driver->poll(device);
    }
    if (request->state == KG_BLOCK_RUNNING && !is_lost(unit) && is_late(request)) {
        kg_device_fail(device, "its disk does not answer");
    }
    if (request->state == KG_BLOCK_RUNNING && is_lost(unit)) {
        request->state = KG_BLOCK_FAILED;
    }
    return request->state;
}

/* Steps grow with the time waited: a fast disk is asked often. */
bool kg_block_wait(struct kg_unit *unit, struct kg_block_request *request)
{
    uint32_t waited = 0;
    while (kg_block_check(unit, request) == KG_BLOCK_RUNNING) {
        uint32_t step = 1 + waited / 64;
        step = step < LONGEST_STEP_US ? step : LONGEST_STEP_US;
        plat_delay_us(step);
        waited += step;
        if (waited > TIMEOUT_US) {
            kg_device_fail(unit->device, "its disk does not answer");
        }
    }
    return request->state == KG_BLOCK_DONE;
}

/* Keeps several requests running, and waits for them in their order. After a failure begins no more, but waits for
 * those that still use the memory. */
static bool move_sectors(struct kg_unit *unit, enum kg_block_operation operation, uint64_t first, uint64_t n,
                         uint8_t *memory)
{
    struct kg_block_request requests[MOST_AT_ONCE];
    const struct kg_block *block = &unit->block;
    uint64_t free = block->depth - block->running, begun = 0, ended = 0, at = 0;
    uint64_t most = free < MOST_AT_ONCE ? free : MOST_AT_ONCE;
    bool ok = is_inside(block, first, n) && (most || !n);
    while (ended < begun || (ok && at < n)) {
        while (ok && at < n && begun - ended < most) {
            uint32_t part = n - at < block->most_sectors ? (uint32_t)(n - at) : block->most_sectors;
            requests[begun % MOST_AT_ONCE] = (struct kg_block_request){
                .operation = operation, .first = first + at, .n = part, .memory = memory + at * block->sector_size};
            begin_request(unit, &requests[begun++ % MOST_AT_ONCE]);
            at += part;
        }
        ok = kg_block_wait(unit, &requests[ended++ % MOST_AT_ONCE]) && ok;
    }
    return ok;
}

bool kg_block_read(struct kg_unit *unit, uint64_t first, uint64_t n, void *to)
{
    return move_sectors(unit, KG_BLOCK_READ, first, n, to);
}

bool kg_block_open(struct kg_unit *unit, uint64_t first, uint64_t n)
{
    bool ok = unit->block.writable && is_inside(&unit->block, first, n);
    unit->block.open_first = ok ? first : 0;
    unit->block.open_end = ok ? first + n : 0;
    return ok;
}

bool kg_block_write(struct kg_unit *unit, uint64_t first, uint64_t n, const void *from)
{
    const struct kg_block *block = &unit->block;
    if (first < block->open_first || first > block->open_end || n > block->open_end - first) {
        return false;
    }
    bool ok = move_sectors(unit, KG_BLOCK_WRITE, first, n, (uint8_t *)(uintptr_t)from);
    struct kg_block_request flush = {.operation = KG_BLOCK_FLUSH};
    if (ok && block->caches) {
        begin_request(unit, &flush);
        ok = kg_block_wait(unit, &flush);
    }
    return ok;
}

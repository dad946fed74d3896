/* Disks of USB mass storage devices: which SCSI command comes next (SPC-4, SBC-3), and what its result means. */
#include "kgpt/mem.h"
#include "kgpt/platform.h"
#include "platform/drivers/block/model_name.h"
#include "usb.h"

#define SCSI_TEST_READY 0x00
#define SCSI_SENSE 0x03
#define SCSI_INQUIRY 0x12
#define SCSI_MODE_SENSE 0x1A
#define SCSI_CAPACITY_10 0x25
#define SCSI_READ_10 0x28
#define SCSI_WRITE_10 0x2A
#define SCSI_SYNCHRONIZE 0x35
#define SCSI_READ_16 0x88
#define SCSI_WRITE_16 0x8A
#define SCSI_SERVICE_IN 0x9E
#define SERVICE_CAPACITY_16 0x10

#define INQUIRY_BYTES 36u
#define SENSE_BYTES 18u
#define CAPACITY_10_BYTES 8u
#define CAPACITY_16_BYTES 32u
#define MODE_BYTES 192u /* what other systems ask for: some devices know no other number */
#define ALL_PAGES 0x3F
#define WRITE_PROTECTED 0x80
#define MODEL_BYTES 24u

#define SENSE_NOT_READY 2
#define SENSE_ILLEGAL 5
#define SENSE_ATTENTION 6
#define ABSENT_MEDIUM 0x3A
#define CHANGED_MEDIUM 0x28

#define MOST_BYTES_SUPER (1u << 20)
#define MOST_BYTES_OLD (1u << 16) /* more than 120 KB is too much for some USB 2 devices */
#define READY_STEP_MS 100u
#define READY_STEPS 100u /* a motor starts in 10 seconds */
#define MEDIUM_STEP_MS 1000u
#define MOST_BROKEN 3
#define REQUEST_TRIES 2

static bool start_scsi_request(struct kg_unit *unit, struct kg_block_request *request);

static void wait_for(struct kg_usb_lun *lun, enum kg_lun_state state, uint32_t ms)
{
    lun->state = state;
    lun->when = plat_ticks() + kg_usb_ticks(ms);
}

void kg_scsi_begin(struct kg_usb_storage *s)
{
    s->lun = (uint8_t)(s->n_luns - 1); /* the first one is next */
    for (uint32_t i = 0; i < KG_USB_LUNS; i++) {
        struct kg_usb_lun *lun = &s->luns[i];
        lun->storage = s;
        lun->tries = lun->n = 0;
        wait_for(lun, i < s->n_luns ? KG_LUN_INQUIRY : KG_LUN_NONE, 0);
    }
}

static void end_scsi_request(struct kg_usb_lun *lun, bool ok)
{
    struct kg_block_request *request = lun->requests[0];
    lun->n--;
    lun->tries = 0;
    memmove(&lun->requests[0], &lun->requests[1], lun->n * sizeof lun->requests[0]);
    kg_block_finish(&lun->unit, request, ok);
}

/* Requests end before the unit is gone: afterwards nobody waits for them, and their memory may be used again. */
static void lose_disk(struct kg_usb_lun *lun, enum kg_lun_state state)
{
    while (lun->n) {
        end_scsi_request(lun, false);
    }
    if (lun->state == KG_LUN_WORKS) {
        kg_unit_remove(&lun->unit);
    }
    lun->tries = 0;
    wait_for(lun, state, MEDIUM_STEP_MS);
}

void kg_scsi_end(struct kg_usb_storage *s)
{
    for (uint32_t i = 0; i < KG_USB_LUNS; i++) {
        lose_disk(&s->luns[i], KG_LUN_NONE);
    }
}

bool kg_scsi_settling(const struct kg_usb_storage *s)
{
    bool settling = false;
    for (uint32_t i = 0; s->device && i < s->n_luns; i++) {
        const struct kg_usb_lun *lun = &s->luns[i];
        bool known = lun->state == KG_LUN_NONE || lun->state == KG_LUN_WORKS;
        settling = settling || (!known && lun->tries <= READY_STEPS);
    }
    return settling;
}

static void put_big(uint8_t *to, uint64_t value, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to[i] = (uint8_t)(value >> 8 * (n - 1 - i));
    }
}

static uint64_t take_big(const uint8_t *from, uint32_t n)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < n; i++) {
        value = value << 8 | from[i];
    }
    return value;
}

static void send_scsi_step(struct kg_usb_lun *lun)
{
    static const struct {
        uint8_t code, second, third, at, length, bytes;
    } steps[] = {
        [KG_LUN_INQUIRY] = {SCSI_INQUIRY, 0, 0, 4, 6, INQUIRY_BYTES},
        [KG_LUN_READY] = {SCSI_TEST_READY, 0, 0, 4, 6, 0},
        [KG_LUN_SIZE] = {SCSI_CAPACITY_10, 0, 0, 0, 10, CAPACITY_10_BYTES},
        [KG_LUN_SIZE_16] = {SCSI_SERVICE_IN, SERVICE_CAPACITY_16, 0, 13, 16, CAPACITY_16_BYTES},
        [KG_LUN_MODE] = {SCSI_MODE_SENSE, 0, ALL_PAGES, 4, 6, MODE_BYTES},
    };
    uint8_t command[16] = {steps[lun->state].code, steps[lun->state].second, steps[lun->state].third};
    if (steps[lun->state].at) {
        command[steps[lun->state].at] = steps[lun->state].bytes;
    }
    memset(kg_usb_storage_data(lun->storage), 0, KG_BOT_DATA);
    kg_bot_send(lun->storage, command, steps[lun->state].length, true, NULL, steps[lun->state].bytes);
}

static void send_scsi_request(struct kg_usb_lun *lun)
{
    const struct kg_block_request *request = lun->requests[0];
    bool reads = request->operation == KG_BLOCK_READ, wide = request->first + request->n > UINT32_MAX;
    uint8_t command[16] = {SCSI_SYNCHRONIZE};
    if (request->operation != KG_BLOCK_FLUSH && wide) {
        command[0] = reads ? SCSI_READ_16 : SCSI_WRITE_16;
        put_big(command + 2, request->first, 8);
        put_big(command + 10, request->n, 4);
    } else if (request->operation != KG_BLOCK_FLUSH) {
        command[0] = reads ? SCSI_READ_10 : SCSI_WRITE_10;
        put_big(command + 2, request->first, 4);
        put_big(command + 7, request->n, 2);
    }
    uint32_t bytes = request->n * lun->unit.block.sector_size;
    kg_bot_send(lun->storage, command, wide ? 16 : 10, reads, bytes ? request->memory : NULL, bytes);
}

void kg_scsi_next(struct kg_usb_storage *s)
{
    static const uint8_t sense[6] = {SCSI_SENSE, 0, 0, 0, SENSE_BYTES};
    if (s->sensing) {
        memset(kg_usb_storage_data(s), 0, KG_BOT_DATA);
        kg_bot_send(s, sense, sizeof sense, true, NULL, SENSE_BYTES);
        return;
    }
    for (uint32_t i = 0; i < s->n_luns && !s->busy; i++) {
        s->lun = (uint8_t)((s->lun + 1) % s->n_luns);
        struct kg_usb_lun *lun = &s->luns[s->lun];
        if (lun->state == KG_LUN_WORKS && lun->n) {
            send_scsi_request(lun);
        } else if (lun->state != KG_LUN_NONE && lun->state != KG_LUN_WORKS && plat_ticks() >= lun->when) {
            send_scsi_step(lun);
        }
    }
}

static void add_usb_disk(struct kg_usb_lun *lun, bool writable)
{
    struct kg_usb *d = lun->storage->device;
    struct kg_block *block = &lun->unit.block;
    uint32_t most = d->speed >= KG_USB_SUPER && !lun->storage->bounce ? MOST_BYTES_SUPER : MOST_BYTES_OLD;
    block->most_sectors = block->sector_size ? most / block->sector_size : 0;
    block->depth = KG_USB_REQUESTS;
    block->writable = writable;
    block->caches = true;
    block->start = start_scsi_request;
    lun->state = kg_block_add(&lun->unit, d->host->device, "usb") ? KG_LUN_WORKS : KG_LUN_NONE;
}

static void take_inquiry(struct kg_usb_lun *lun, const uint8_t *data, uint32_t n)
{
    bool is_disk = n >= INQUIRY_BYTES && data[0] == 0;
    if (is_disk) {
        kg_model_name(lun->unit.block.model, data + 8, MODEL_BYTES, false);
    }
    wait_for(lun, is_disk ? KG_LUN_READY : KG_LUN_NONE, 0);
}

static void take_size(struct kg_usb_lun *lun, const uint8_t *data, uint32_t n)
{
    uint32_t word = lun->state == KG_LUN_SIZE ? 4 : 8;
    uint64_t last = take_big(data, word);
    if (n < word + 4) {
        wait_for(lun, KG_LUN_NONE, 0);
        return;
    }
    lun->unit.block.sectors = last + 1;
    lun->unit.block.sector_size = (uint32_t)take_big(data + word, 4);
    wait_for(lun, word == 4 && last == UINT32_MAX ? KG_LUN_SIZE_16 : KG_LUN_MODE, 0);
}

static void take_scsi_step(struct kg_usb_lun *lun, bool ok)
{
    const uint8_t *data = kg_usb_storage_data(lun->storage);
    uint32_t n = ok ? lun->storage->given : 0;
    switch (lun->state) {
    case KG_LUN_INQUIRY: take_inquiry(lun, data, n); break;
    case KG_LUN_READY:
        lun->tries = 0;
        wait_for(lun, KG_LUN_SIZE, 0);
        break;
    case KG_LUN_SIZE:
    case KG_LUN_SIZE_16: take_size(lun, data, n); break;
    default: add_usb_disk(lun, n < 3 || !(data[2] & WRITE_PROTECTED)); break;
    }
}

/* A command of a disk that is not known yet was refused. */
static void take_refusal(struct kg_usb_lun *lun, uint8_t key, uint8_t code)
{
    if (lun->state == KG_LUN_MODE) {
        take_scsi_step(lun, false);
    } else if (lun->state == KG_LUN_INQUIRY || key == SENSE_ILLEGAL) {
        lun->state = KG_LUN_NONE;
    } else if (code == ABSENT_MEDIUM || lun->tries > READY_STEPS) {
        lun->tries = READY_STEPS + 1;
        wait_for(lun, KG_LUN_READY, MEDIUM_STEP_MS);
    } else {
        lun->tries++;
        wait_for(lun, KG_LUN_READY, READY_STEP_MS);
    }
}

static void take_sense(struct kg_usb_lun *lun, const uint8_t *data, uint32_t n)
{
    uint8_t key = n > 2 ? data[2] & 15 : 0, code = n > 12 ? data[12] : 0;
    bool other_medium = code == ABSENT_MEDIUM || code == CHANGED_MEDIUM;
    if (lun->state != KG_LUN_WORKS) {
        take_refusal(lun, key, code);
    } else if ((key == SENSE_NOT_READY || key == SENSE_ATTENTION) && other_medium) {
        lose_disk(lun, KG_LUN_READY);
    } else if (lun->n && key == SENSE_ILLEGAL && lun->requests[0]->operation == KG_BLOCK_FLUSH) {
        end_scsi_request(lun, true); /* it has no cache */
    } else if (lun->n && (key != SENSE_ATTENTION || ++lun->tries >= REQUEST_TRIES)) {
        end_scsi_request(lun, false);
    }
}

/* After reset recovery: the request is tried once more. A device that breaks again and again is left alone. */
static void take_broken(struct kg_usb_storage *s, struct kg_usb_lun *lun)
{
    if (s->broken >= MOST_BROKEN) {
        kg_scsi_end(s);
    } else if (lun->state != KG_LUN_WORKS) {
        take_refusal(lun, 0, 0);
    } else if (lun->n && ++lun->tries >= REQUEST_TRIES) {
        end_scsi_request(lun, false);
    }
}

static void take_request(struct kg_usb_lun *lun, bool ok)
{
    const struct kg_block_request *request = lun->requests[0];
    if (ok && request->operation == KG_BLOCK_READ && lun->storage->bounce) {
        memcpy(request->memory, lun->storage->bounce, request->n * lun->unit.block.sector_size);
    }
    end_scsi_request(lun, ok);
}

void kg_scsi_done(struct kg_usb_storage *s, enum kg_bot_result result)
{
    struct kg_usb_lun *lun = &s->luns[s->lun];
    bool sensed = s->sensing;
    s->sensing = result == KG_BOT_CHECK && !sensed;
    if (result == KG_BOT_BROKEN) {
        take_broken(s, lun);
    } else if (sensed) {
        take_sense(lun, kg_usb_storage_data(s), result == KG_BOT_CHECK ? 0 : s->given);
    } else if (result == KG_BOT_CHECK) {
        return;
    } else if (lun->state != KG_LUN_WORKS) {
        take_scsi_step(lun, true);
    } else if (lun->n) {
        take_request(lun, result == KG_BOT_GOOD);
    }
}

static bool start_scsi_request(struct kg_unit *unit, struct kg_block_request *request)
{
    struct kg_usb_lun *lun = (struct kg_usb_lun *)unit;
    if (lun->state != KG_LUN_WORKS || lun->n == KG_USB_REQUESTS) {
        return false;
    }
    lun->requests[lun->n++] = request;
    kg_usb_storage_poll(lun->storage);
    return true;
}

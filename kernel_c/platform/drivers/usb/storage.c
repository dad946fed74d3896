/* The bulk-only transport: a command block, data, and a status block, each a transfer. Command and data are queued at
 * once, and the status when the data has come: QEMU's device loses a status that is asked for earlier. The device may
 * say anything: only the status that was asked for ends a command. */
#include "storage.h"

#include "kgpt/mem.h"
#include "kgpt/platform.h"
#include "registers.h"
#include "usb.h"

#define COMMAND_SIGNATURE 0x43425355u
#define STATUS_SIGNATURE 0x53425355u
#define COMMAND_BYTES 31u
#define STATUS_BYTES 13u
#define STATUS_PASSED 0
#define STATUS_FAILED 1
#define BOT_TO_HOST 0x80
#define BOT_MS 4000u /* a request with a second try ends before its disk's timeout */
#define TRB_BOUNDARY 0x10000u
#define MOST_LEFT 31u
#define BULK_ONLY_RESET 0xFF21u
#define CLEAR_HALT 0x0102u
#define MOST_BOUNCED 0x10000u

/* In the device's memory, from kg_usb_report(d, 0) on. */
#define AT_COMMAND 1024u
#define AT_STATUS 1088u
#define AT_DATA 2048u

static uint8_t *storage_memory(const struct kg_usb_storage *s, uint32_t at)
{
    return kg_usb_report(s->device, 0) + at;
}

uint8_t *kg_usb_storage_data(const struct kg_usb_storage *s)
{
    return storage_memory(s, AT_DATA);
}

struct kg_usb_storage *kg_usb_storage_of(struct kg_xhci *x, const struct kg_usb *d)
{
    for (uint32_t i = 0; i < KG_USB_STORAGES; i++) {
        if (x->storages[i].device == d) {
            return &x->storages[i];
        }
    }
    return NULL;
}

void kg_usb_storage_begin(struct kg_xhci *x, struct kg_usb *d, uint32_t n_luns)
{
    struct kg_usb_storage *s = kg_usb_storage_of(x, NULL);
    if (!s) {
        return;
    }
    if (x->limit != UINT64_MAX && !s->bounce) {
        s->bounce = plat_dma(MOST_BOUNCED, MOST_BOUNCED, x->limit);
        if (!s->bounce) {
            return;
        }
    }
    s->device = d;
    s->n_luns = (uint8_t)(n_luns < KG_USB_LUNS ? n_luns : KG_USB_LUNS);
    s->busy = s->sensing = false;
    s->broken = 0;
    s->mend = KG_MEND_NOTHING;
    d->ready = true;
    kg_scsi_begin(s);
}

void kg_usb_storage_remove(struct kg_xhci *x, struct kg_usb *d)
{
    struct kg_usb_storage *s = kg_usb_storage_of(x, d);
    if (s) {
        kg_scsi_end(s);
        s->device = NULL;
    }
}

static struct kg_xhci_ring *ring_of(const struct kg_usb_storage *s, bool to_host)
{
    return to_host ? &s->device->in : &s->device->out;
}

/* A transfer of any length: its pieces end where the controller wants them to, every 64 KB. */
static uint64_t put_transfer(const struct kg_usb_storage *s, bool to_host, uint64_t address, uint32_t bytes, bool tell)
{
    const struct kg_usb_function *function = &s->device->function;
    uint32_t packet = to_host ? function->in.max_packet : function->out.max_packet;
    uint64_t trb = 0;
    while (bytes) {
        uint32_t n = TRB_BOUNDARY - (uint32_t)(address & (TRB_BOUNDARY - 1));
        n = n < bytes ? n : bytes;
        uint32_t left = (bytes - n + packet - 1) / packet;
        uint32_t control = TRB_TYPE(TRB_NORMAL) | (to_host ? TRB_SHORT : 0);
        control |= n < bytes ? TRB_CHAIN : tell ? TRB_INTERRUPT : 0;
        trb = kg_xhci_put(ring_of(s, to_host), address, n | (left < MOST_LEFT ? left : MOST_LEFT) << 17, control);
        address += n;
        bytes -= n;
    }
    return trb;
}

static void ask_bot_status(struct kg_usb_storage *s)
{
    memset(storage_memory(s, AT_STATUS), 0, STATUS_BYTES);
    s->status_trb = put_transfer(s, true, plat_dma_address(storage_memory(s, AT_STATUS)), STATUS_BYTES, true);
    kg_xhci_ring_doorbell(s->device->host, s->device->slot, s->device->in_dci);
}

static void fill_command(struct kg_usb_storage *s, const uint8_t *command, uint32_t n, bool to_host, uint32_t bytes)
{
    uint8_t *block = storage_memory(s, AT_COMMAND);
    uint32_t words[3] = {COMMAND_SIGNATURE, ++s->tag, bytes};
    memset(block, 0, COMMAND_BYTES);
    memcpy(block, words, sizeof words);
    block[12] = to_host ? BOT_TO_HOST : 0;
    block[13] = s->lun;
    block[14] = (uint8_t)n;
    memcpy(block + 15, command, n);
}

void kg_bot_send(struct kg_usb_storage *s, const uint8_t *command, uint32_t n, bool to_host, void *memory,
                 uint32_t bytes)
{
    struct kg_usb *d = s->device;
    void *place = !memory ? kg_usb_storage_data(s) : s->bounce ? s->bounce : memory;
    fill_command(s, command, n, to_host, bytes);
    if (!to_host && place == s->bounce && bytes) {
        memcpy(place, memory, bytes);
    }
    s->busy = true;
    s->moved_part = s->asked_again = false;
    s->wanted = s->given = bytes;
    s->deadline = plat_ticks() + kg_usb_ticks(BOT_MS);
    s->command_trb = put_transfer(s, false, plat_dma_address(storage_memory(s, AT_COMMAND)), COMMAND_BYTES, false);
    s->status_trb = 0;
    s->data_trb = put_transfer(s, to_host, plat_dma_address(place), bytes, true);
    kg_xhci_ring_doorbell(d->host, d->slot, d->out_dci);
    if (bytes && to_host) {
        kg_xhci_ring_doorbell(d->host, d->slot, d->in_dci);
    } else if (!bytes) {
        ask_bot_status(s);
    }
}

static void end_command(struct kg_usb_storage *s, enum kg_bot_result result)
{
    s->busy = false;
    s->broken = result == KG_BOT_BROKEN ? s->broken + 1 : 0;
    kg_scsi_done(s, result);
}

static void take_bot_status(struct kg_usb_storage *s, uint32_t left)
{
    uint8_t status[STATUS_BYTES];
    uint32_t words[3];
    memcpy(status, storage_memory(s, AT_STATUS), STATUS_BYTES);
    memcpy(words, status, sizeof words);
    if (left || words[0] != STATUS_SIGNATURE || words[1] != s->tag || status[12] > STATUS_FAILED) {
        s->mend = KG_MEND_ALL;
        return;
    }
    uint32_t moved = words[2] < s->wanted ? s->wanted - words[2] : 0;
    s->given = s->given < moved ? s->given : moved;
    bool whole = s->given == s->wanted && !s->moved_part;
    end_command(s, status[12] != STATUS_PASSED ? KG_BOT_CHECK : whole ? KG_BOT_GOOD : KG_BOT_PART);
}

void kg_usb_storage_hear(struct kg_usb_storage *s, uint8_t dci, uint64_t trb, uint8_t code, uint32_t left)
{
    bool is_status = trb == s->status_trb && dci == s->device->in_dci;
    if (!s->busy || s->mend != KG_MEND_NOTHING) {
        return;
    }
    if (code == KG_XHCI_SUCCESS || code == KG_XHCI_SHORT) {
        if (is_status) {
            take_bot_status(s, code == KG_XHCI_SHORT ? left | 1u : 0);
            return;
        }
        if (code == KG_XHCI_SHORT) {
            s->moved_part = true;
            s->given = left < s->wanted ? s->wanted - left : 0;
        }
        if (!s->status_trb && (code == KG_XHCI_SHORT || trb == s->data_trb)) {
            ask_bot_status(s);
        }
        return;
    }
    bool command = trb == s->command_trb || (is_status && s->asked_again);
    s->mend = code != KG_XHCI_STALL || command ? KG_MEND_ALL : dci == s->device->in_dci ? KG_MEND_IN : KG_MEND_OUT;
    s->asked_again = s->asked_again || is_status;
    s->moved_part = s->moved_part || !is_status;
    s->given = s->moved_part ? 0 : s->given;
}

void kg_usb_storage_poll(struct kg_usb_storage *s)
{
    if (s->busy && s->mend == KG_MEND_NOTHING && plat_ticks() >= s->deadline) {
        s->mend = KG_MEND_ALL;
    }
    if (!s->busy && s->mend == KG_MEND_NOTHING) {
        kg_scsi_next(s);
    }
}

static void tell_endpoint(const struct kg_usb *d, enum trb command, uint8_t dci)
{
    kg_xhci_command(d->host, 0, TRB_TYPE(command) | TRB_SLOT(d->slot) | TRB_ENDPOINT(dci));
}

/* One endpoint stalled. Then the status is asked for. */
static enum kg_usb_step mend_endpoint(struct kg_xhci *x, struct kg_usb_storage *s)
{
    struct kg_usb *d = s->device;
    bool in = s->mend == KG_MEND_IN;
    uint8_t dci = in ? d->in_dci : d->out_dci;
    const struct kg_xhci_ring *ring = ring_of(s, in);
    switch (x->step++) {
    case 0: tell_endpoint(d, TRB_RESET_ENDPOINT, dci); return KG_USB_AGAIN;
    case 1:
        kg_usb_control(d, CLEAR_HALT, 0, in ? d->function.in.address : d->function.out.address, 0);
        return KG_USB_AGAIN;
    case 2:
        kg_xhci_command(x, plat_dma_address(&ring->trbs[ring->at]) | ring->cycle,
                        TRB_TYPE(TRB_SET_DEQUEUE) | TRB_SLOT(d->slot) | TRB_ENDPOINT(dci));
        return KG_USB_AGAIN;
    default: break;
    }
    s->mend = x->op.code == KG_XHCI_SUCCESS ? KG_MEND_NOTHING : KG_MEND_ALL;
    if (s->mend == KG_MEND_NOTHING) {
        ask_bot_status(s);
    }
    return KG_USB_DONE;
}

/* Reset recovery (BOT 1.0, 5.3.4). The endpoints are configured anew: so both sides count packets from 0. */
static enum kg_usb_step mend_all(struct kg_xhci *x, struct kg_usb_storage *s)
{
    struct kg_usb *d = s->device;
    switch (x->step++) {
    case 0: tell_endpoint(d, TRB_STOP_ENDPOINT, d->in_dci); return KG_USB_AGAIN;
    case 1: tell_endpoint(d, TRB_STOP_ENDPOINT, d->out_dci); return KG_USB_AGAIN;
    case 2: kg_usb_control(d, BULK_ONLY_RESET, 0, d->function.interface, 0); return KG_USB_AGAIN;
    case 3: kg_usb_control(d, CLEAR_HALT, 0, d->function.in.address, 0); return KG_USB_AGAIN;
    case 4: kg_usb_control(d, CLEAR_HALT, 0, d->function.out.address, 0); return KG_USB_AGAIN;
    case 5: kg_usb_configure_endpoints(d, true); return KG_USB_AGAIN;
    default: break;
    }
    s->mend = KG_MEND_NOTHING;
    end_command(s, KG_BOT_BROKEN);
    return KG_USB_DONE;
}

enum kg_usb_step kg_usb_storage_mend(struct kg_xhci *x)
{
    struct kg_usb_storage *s = kg_usb_storage_of(x, x->target);
    if (!s || x->target->dying) {
        return KG_USB_DONE;
    }
    return s->mend == KG_MEND_ALL ? mend_all(x, s) : mend_endpoint(x, s);
}

/* Operations of a job: commands, control transfers and pauses, each with a deadline. After a failed transfer endpoint 0
 * is made usable again, so that the next one works. */
#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "registers.h"
#include "usb.h"

#define COMMAND_MS 5000u /* an Address Device command waits for the device */
#define ABORT_MS 1000u
#define CONTROL_MS 2000u
#define LIKELY_HZ 3000000000u /* of the TSC, where its rate is not known */

uint64_t kg_usb_ticks(uint32_t ms)
{
    uint64_t hz = plat_ticks_hz();
    return (hz ? hz : LIKELY_HZ) / 1000 * ms;
}

static void begin_op(struct kg_xhci *x, int kind, uint32_t ms)
{
    x->op.kind = kind;
    x->op.code = 0;
    x->op.aborted = false;
    x->op.deadline = plat_ticks() + kg_usb_ticks(ms);
}

void kg_xhci_command(struct kg_xhci *x, uint64_t parameter, uint32_t control)
{
    begin_op(x, KG_OP_COMMAND, COMMAND_MS);
    x->op.trb = kg_xhci_put(&x->commands, parameter, 0, control);
    kg_xhci_ring_doorbell(x, 0, 0);
}

/* `request` is bmRequestType, and bRequest << 8. */
void kg_usb_control(struct kg_usb *d, uint16_t request, uint16_t value, uint16_t index, uint16_t n)
{
    struct kg_xhci *x = d->host;
    bool in = request & 0x80;
    uint64_t setup = request | (uint64_t)value << 16 | (uint64_t)index << 32 | (uint64_t)n << 48;
    begin_op(x, KG_OP_CONTROL, CONTROL_MS);
    x->op.device = d;
    x->op.recovery = 0;
    x->op.wanted = x->op.given = n;
    x->op.data_trb = 0;
    uint32_t kind = n == 0 ? 0 : in ? 3u << 16 : 2u << 16; /* what data stage follows */
    kg_xhci_put(&d->control, setup, 8, TRB_TYPE(TRB_SETUP) | TRB_IMMEDIATE | kind);
    if (n) {
        x->op.data_trb = kg_xhci_put(&d->control, plat_dma_address(kg_usb_buffer(d)), n,
                                     TRB_TYPE(TRB_DATA) | TRB_SHORT | (in ? TRB_TO_HOST : 0));
    }
    x->op.trb = kg_xhci_put(&d->control, 0, 0, TRB_TYPE(TRB_STATUS) | TRB_INTERRUPT | (n && in ? 0 : TRB_TO_HOST));
    kg_xhci_ring_doorbell(x, d->slot, 1);
}

void kg_usb_pause(struct kg_xhci *x, uint32_t ms)
{
    begin_op(x, KG_OP_PAUSE, ms);
}

/* The first deadline of a command aborts it; after the second one the controller is given up. */
static void abort_command(struct kg_xhci *x)
{
    if (x->op.aborted) {
        kg_device_fail(x->device, "it does not answer commands");
        return;
    }
    x->op.aborted = true;
    x->op.deadline = plat_ticks() + kg_usb_ticks(ABORT_MS);
    kg_mmio_write32(x->operational + CRCR, CRCR_ABORT);
    kg_mmio_write32(x->operational + CRCR + 4, 0);
}

/* After a transfer that failed: the endpoint is reset (or stopped), and continues at the end of its ring. */
static bool recover_control(struct kg_xhci *x)
{
    struct kg_usb *d = x->op.device;
    uint32_t whom = TRB_SLOT(d->slot) | TRB_ENDPOINT(1);
    switch (x->op.recovery++) {
    case 0:
        x->op.failed = x->op.code;
        kg_xhci_command(x, 0, TRB_TYPE(x->op.code == KG_XHCI_TIMEOUT ? TRB_STOP_ENDPOINT : TRB_RESET_ENDPOINT) | whom);
        return false;
    case 1:
        kg_xhci_command(x, plat_dma_address(&d->control.trbs[d->control.at]) | d->control.cycle,
                        TRB_TYPE(TRB_SET_DEQUEUE) | whom);
        return false;
    default:
        x->op.recovery = 0;
        x->op.code = x->op.failed;
        return true;
    }
}

bool kg_xhci_op_ended(struct kg_xhci *x)
{
    struct kg_xhci_op *op = &x->op;
    if (op->kind == KG_OP_NONE) {
        return true;
    }
    bool late = plat_ticks() >= op->deadline;
    if (!op->code && op->kind == KG_OP_COMMAND && late) {
        abort_command(x);
        return false;
    }
    if (!op->code && late) {
        op->code = op->kind == KG_OP_PAUSE ? KG_XHCI_SUCCESS : KG_XHCI_TIMEOUT;
    }
    if (!op->code) {
        return false;
    }
    bool failed = op->kind == KG_OP_CONTROL && op->code != KG_XHCI_SUCCESS && op->code != KG_XHCI_SHORT;
    if ((failed || op->recovery) && !recover_control(x)) {
        return false;
    }
    if (op->code == KG_XHCI_SHORT) {
        op->code = KG_XHCI_SUCCESS;
    }
    op->kind = KG_OP_NONE;
    return true;
}

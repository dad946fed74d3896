/* Rings of an xHCI controller: TRBs to it, and events from it (xHCI 1.2, 4.9). Events hold what the controller wrote:
 * slots, endpoints and addresses are looked up, never used as they are. */
#include "kgpt/mmio.h"
#include "registers.h"
#include "usb.h"

#define RUNTIME_ERDP 0x38u /* of interrupter 0 */
#define ERDP_BUSY 8u
#define EVENTS 256u

void kg_xhci_ring_begin(struct kg_xhci_ring *ring, void *memory)
{
    ring->trbs = memory;
    ring->at = 0;
    ring->cycle = 1;
    for (uint32_t i = 0; i < KG_XHCI_RING; i++) {
        ring->trbs[i] = (struct kg_xhci_trb){0};
    }
}

static void write_trb(struct kg_xhci_trb *to, uint64_t parameter, uint32_t status, uint32_t control)
{
    to->parameter = parameter;
    to->status = status;
    kg_dma_barrier();
    ((volatile struct kg_xhci_trb *)to)->control = control;
}

uint64_t kg_xhci_put(struct kg_xhci_ring *ring, uint64_t parameter, uint32_t status, uint32_t control)
{
    struct kg_xhci_trb *at = &ring->trbs[ring->at++];
    write_trb(at, parameter, status, control | ring->cycle);
    if (ring->at == KG_XHCI_RING - 1) {
        uint32_t link = TRB_TYPE(TRB_LINK) | TRB_TOGGLE | (control & TRB_CHAIN) | ring->cycle;
        write_trb(&ring->trbs[ring->at], plat_dma_address(ring->trbs), 0, link);
        ring->at = 0;
        ring->cycle ^= 1;
    }
    return plat_dma_address(at);
}

void kg_xhci_ring_doorbell(struct kg_xhci *x, uint8_t slot, uint32_t target)
{
    kg_dma_barrier();
    kg_mmio_write32(x->doorbells + 4u * slot, target);
}

static struct kg_usb *device_of_slot(struct kg_xhci *x, uint32_t slot)
{
    for (uint32_t i = 0; i < KG_USB_DEVICES; i++) {
        if (x->devices[i].used && x->devices[i].slot == slot && slot) {
            return &x->devices[i];
        }
    }
    return NULL;
}

static void take_transfer(struct kg_xhci *x, const struct kg_xhci_trb *event)
{
    struct kg_usb *d = device_of_slot(x, event->control >> 24);
    struct kg_xhci_op *op = &x->op;
    uint8_t code = (uint8_t)(event->status >> 24), dci = event->control >> 16 & 31;
    uint32_t left = event->status & 0xFFFFFF;
    if (!d) {
        return;
    }
    struct kg_usb_storage *storage = d->ready ? kg_usb_storage_of(x, d) : NULL;
    if (storage && dci != 1) {
        kg_usb_storage_hear(storage, dci, event->parameter, code, left);
        return;
    }
    if (dci == d->in_dci && d->ready) {
        kg_usb_hear(d, event->parameter, code, left);
        return;
    }
    if (dci != 1 || op->kind != KG_OP_CONTROL || op->device != d || op->recovery || op->code) {
        return;
    }
    if (code == KG_XHCI_SHORT && event->parameter == op->data_trb) {
        op->given = (uint16_t)(left < op->wanted ? op->wanted - left : 0);
    } else if (event->parameter == op->trb || (code != KG_XHCI_SUCCESS && code != KG_XHCI_SHORT)) {
        op->code = code;
    }
}

static void take_event(struct kg_xhci *x, const struct kg_xhci_trb *event)
{
    uint32_t port = event->parameter >> 24 & 255;
    switch (event->control >> 10 & 63) {
    case EVENT_TRANSFER: take_transfer(x, event); break;
    case EVENT_COMMAND:
        if (x->op.kind == KG_OP_COMMAND && event->parameter == x->op.trb) {
            x->op.code = (uint8_t)(event->status >> 24);
            x->op.slot = (uint8_t)(event->control >> 24);
        }
        break;
    case EVENT_PORT:
        if (port >= 1 && port <= x->n_ports) {
            x->ports[port].check = true;
        }
        break;
    default: break;
    }
}

/* At most a whole ring at a time: an endless stream of events cannot hold the kernel up. */
void kg_xhci_take_events(struct kg_xhci *x)
{
    uint32_t n = 0;
    for (; n < EVENTS && !x->device->problem; n++) {
        const volatile struct kg_xhci_trb *shared = &x->events[x->event_at];
        if ((shared->control & TRB_CYCLE) != x->event_cycle) {
            break;
        }
        kg_dma_barrier();
        struct kg_xhci_trb event = {shared->parameter, shared->status, shared->control};
        if (++x->event_at == EVENTS) {
            x->event_at = 0;
            x->event_cycle ^= 1;
        }
        take_event(x, &event);
    }
    if (n && !x->device->problem) {
        uint64_t at = plat_dma_address(&x->events[x->event_at]) | ERDP_BUSY;
        kg_mmio_write32(x->runtime + RUNTIME_ERDP, (uint32_t)at);
        kg_mmio_write32(x->runtime + RUNTIME_ERDP + 4, (uint32_t)(at >> 32));
    }
}

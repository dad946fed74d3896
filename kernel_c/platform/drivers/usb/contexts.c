/* Contexts: what the controller is told about a device (xHCI 1.2, 6.2). */
#include "kgpt/mem.h"
#include "registers.h"
#include "usb.h"

/* A device's DMA memory: its parts, in bytes. No part crosses a page. */
#define DEVICE_MEMORY 16384u
#define AT_OUTPUT 0u
#define AT_CONTROL 2048u
#define AT_IN 3072u
#define AT_INPUT 4096u
#define AT_REPORTS 8192u
#define AT_BUFFER 12288u

#define ENDPOINT_BULK_OUT 2u
#define ENDPOINT_CONTROL 4u
#define ENDPOINT_BULK_IN 6u
#define ENDPOINT_INTERRUPT_IN 7u
#define RETRIES (3u << 1)
#define SLOT_HUB (1u << 26)
#define AVERAGE_BULK 3072u /* bytes of a TRB: a hint (xHCI 1.2, 4.14.1.1) */

static uint32_t *input_context(const struct kg_usb *d, uint32_t i)
{
    return (uint32_t *)(d->memory + AT_INPUT + i * d->host->context);
}

static void begin_input(const struct kg_usb *d, uint32_t added)
{
    memset(d->memory + AT_INPUT, 0, 34u * 64u);
    input_context(d, 0)[1] = added;
}

static void fill_slot(const struct kg_usb *d, uint32_t last)
{
    uint32_t *slot = input_context(d, 1);
    slot[0] = d->route | (uint32_t)d->speed << 20 | last << 27;
    slot[1] = (uint32_t)d->root_port << 16;
    slot[2] = d->tt_slot | (uint32_t)d->tt_port << 8;
    if (d->function.kind == KG_USB_HUB && d->n_ports) {
        slot[0] |= SLOT_HUB;
        slot[1] |= (uint32_t)d->n_ports << 24;
        slot[2] |= d->speed == KG_USB_HIGH ? (uint32_t)d->think_time << 16 : 0;
    }
}

static void fill_endpoint(const struct kg_usb *d, uint32_t dci, uint32_t type, uint32_t packet,
                          const struct kg_xhci_ring *ring)
{
    uint32_t *endpoint = input_context(d, dci + 1);
    uint64_t dequeue = plat_dma_address(&ring->trbs[ring->at]) | ring->cycle;
    endpoint[1] = RETRIES | type << 3 | packet << 16;
    endpoint[2] = (uint32_t)dequeue;
    endpoint[3] = (uint32_t)(dequeue >> 32);
    endpoint[4] = 8;
}

bool kg_usb_give_memory(struct kg_usb *d)
{
    if (!d->memory) {
        d->memory = plat_dma(DEVICE_MEMORY, DEVICE_MEMORY, d->host->limit);
    }
    if (d->memory) {
        memset(d->memory, 0, DEVICE_MEMORY);
        kg_xhci_ring_begin(&d->control, d->memory + AT_CONTROL);
        kg_xhci_ring_begin(&d->in, d->memory + AT_IN);
        kg_xhci_ring_begin(&d->out, d->memory + AT_REPORTS);
    }
    return d->memory;
}

uint8_t *kg_usb_buffer(const struct kg_usb *d)
{
    return d->memory + AT_BUFFER;
}

uint8_t *kg_usb_report(const struct kg_usb *d, uint32_t i)
{
    return d->memory + AT_REPORTS + i * (AT_BUFFER - AT_REPORTS) / KG_USB_REPORTS;
}

static void send_input(const struct kg_usb *d, uint32_t command)
{
    kg_xhci_command(d->host, plat_dma_address(d->memory + AT_INPUT), TRB_TYPE(command) | TRB_SLOT(d->slot));
}

void kg_usb_address_device(struct kg_usb *d)
{
    d->packet = d->speed >= KG_USB_SUPER ? 512 : d->speed == KG_USB_HIGH ? 64 : 8;
    d->host->contexts[d->slot] = plat_dma_address(d->memory + AT_OUTPUT);
    begin_input(d, 3);
    fill_slot(d, 1);
    fill_endpoint(d, 1, ENDPOINT_CONTROL, d->packet, &d->control);
    send_input(d, TRB_ADDRESS_DEVICE);
}

void kg_usb_evaluate_packet(struct kg_usb *d)
{
    begin_input(d, 2);
    fill_endpoint(d, 1, ENDPOINT_CONTROL, d->packet, &d->control);
    send_input(d, TRB_EVALUATE_CONTEXT);
}

/* The controller's intervals are 2^n times 125 us. Of low and full speed bInterval counts milliseconds. */
static uint32_t interval_of(const struct kg_usb *d)
{
    uint32_t given = d->function.in.interval, n = 3;
    if (d->speed >= KG_USB_HIGH) {
        return given < 1 ? 0 : given > 16 ? 15 : given - 1;
    }
    while (n < 10 && 2u << n <= given * 8) {
        n++;
    }
    return n;
}

static void fill_interrupt_in(const struct kg_usb *d)
{
    const struct kg_usb_endpoint *in = &d->function.in;
    fill_endpoint(d, d->in_dci, ENDPOINT_INTERRUPT_IN, in->max_packet, &d->in);
    uint32_t *endpoint = input_context(d, d->in_dci + 1u), payload = in->max_packet * (in->burst + 1u);
    endpoint[0] = interval_of(d) << 16;
    endpoint[1] |= (uint32_t)in->burst << 8;
    endpoint[4] = in->max_packet | payload << 16;
}

static void fill_bulk(const struct kg_usb *d, const struct kg_usb_endpoint *endpoint, uint32_t dci, uint32_t type,
                      const struct kg_xhci_ring *ring)
{
    fill_endpoint(d, dci, type, endpoint->max_packet, ring);
    uint32_t *context = input_context(d, dci + 1);
    context[1] |= (uint32_t)endpoint->burst << 8;
    context[4] = AVERAGE_BULK;
}

/* `again`: the endpoints were configured before, and begin anew where their rings are. */
void kg_usb_configure_endpoints(struct kg_usb *d, bool again)
{
    const struct kg_usb_endpoint *in = &d->function.in, *out = &d->function.out;
    d->in_dci = (uint8_t)((in->address & 15) * 2 + 1);
    d->out_dci = (uint8_t)(out->address * 2);
    uint32_t which = 1u << d->in_dci | (d->out_dci ? 1u << d->out_dci : 0);
    begin_input(d, 1u | which);
    input_context(d, 0)[0] = again ? which : 0;
    fill_slot(d, d->in_dci > d->out_dci ? d->in_dci : d->out_dci);
    if (d->function.kind == KG_USB_STORAGE) {
        fill_bulk(d, in, d->in_dci, ENDPOINT_BULK_IN, &d->in);
        fill_bulk(d, out, d->out_dci, ENDPOINT_BULK_OUT, &d->out);
    } else {
        fill_interrupt_in(d);
    }
    send_input(d, TRB_CONFIGURE_ENDPOINT);
}

void kg_usb_configure_hub(struct kg_usb *d)
{
    begin_input(d, 1);
    fill_slot(d, d->in_dci);
    send_input(d, TRB_CONFIGURE_ENDPOINT);
}

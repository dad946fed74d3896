/* Hubs: what their ports say, and the job of one port (USB 2.0, 11.24; USB 3.2, 10.16). */
#include "kgpt/platform.h"
#include "registers.h"
#include "usb.h"

#define GET_PORT_STATUS 0x00A3u
#define CLEAR_PORT_FEATURE 0x0123u
#define SET_PORT_FEATURE 0x0323u
#define FEATURE_RESET 4
#define FEATURE_POWER 8
#define HUB_CONNECTED 1u
#define HUB_ENABLED 2u
#define HUB_RESET (1u << 4)
#define HUB_POWER (1u << 8)
#define HUB_POWER_SUPER (1u << 9)
#define HUB_LOW (1u << 9)
#define HUB_HIGH (1u << 10)
#define CHANGED_CONNECTION (1u << 16)
#define HUB_STEP_MS 10u
#define HUB_RESET_STEPS 80
#define HUB_RECOVERY_MS 15u
#define MOST_DEPTH 5

/* Steps of the job. */
enum { HUB_ASK, HUB_LOOK, HUB_CLEAR, HUB_POWERED, HUB_RESET_ASK, HUB_RESET_LOOK, HUB_RESET_CLEARED, HUB_RESET_SETTLED };

void kg_usb_hub_report(struct kg_usb *hub, const uint8_t *report, uint32_t n)
{
    for (uint32_t i = 1; i <= hub->n_ports && i / 8 < n; i++) {
        if (report[i / 8] >> i % 8 & 1) {
            hub->ports[i].check = true;
        }
    }
}

static uint32_t port_status(const struct kg_usb *hub)
{
    const uint8_t *b = kg_usb_buffer(hub);
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static void ask_status(struct kg_xhci *x)
{
    kg_usb_control(x->target, GET_PORT_STATUS, 0, x->target_port, 4);
}

static uint8_t speed_of(const struct kg_usb *hub, uint32_t status)
{
    return hub->speed >= KG_USB_SUPER ? hub->speed
           : status & HUB_LOW         ? KG_USB_LOW
           : status & HUB_HIGH        ? KG_USB_HIGH
                                      : KG_USB_FULL;
}

static enum kg_usb_step enumerate_child(struct kg_xhci *x, struct kg_usb_port *port, uint32_t status)
{
    struct kg_usb *hub = x->target, *d = hub->depth < MOST_DEPTH ? kg_usb_new(x) : NULL;
    if (!d) {
        port->tries = UINT8_MAX;
        return KG_USB_DONE;
    }
    d->speed = speed_of(hub, status);
    d->root_port = hub->root_port;
    d->parent = (uint8_t)(hub - x->devices + 1);
    d->port = x->target_port;
    d->depth = (uint8_t)(hub->depth + 1);
    d->route = hub->route | (uint32_t)d->port << 4 * hub->depth;
    if (d->speed < KG_USB_HIGH) { /* the transaction translator of the last fast hub serves slow devices */
        d->tt_slot = hub->speed == KG_USB_HIGH ? hub->slot : hub->tt_slot;
        d->tt_port = hub->speed == KG_USB_HIGH ? d->port : hub->tt_port;
    }
    port->child = (uint8_t)(d - x->devices + 1);
    x->target = d;
    x->job = kg_usb_enumerate;
    x->step = 0;
    return KG_USB_AGAIN;
}

static enum kg_usb_step reset_failed(struct kg_usb_port *port)
{
    port->tries++;
    port->check = true;
    return KG_USB_DONE;
}

/* After all changes were cleared. The status is the one that was read before. */
static enum kg_usb_step act_on_status(struct kg_xhci *x, struct kg_usb_port *port)
{
    uint32_t status = x->status;
    if (status & CHANGED_CONNECTION) {
        port->tries = 0;
    }
    if (!(status & HUB_CONNECTED) || (status & CHANGED_CONNECTION) || !(status & HUB_ENABLED)) {
        kg_usb_remove(x, port);
    }
    uint32_t power = x->target->speed >= KG_USB_SUPER ? HUB_POWER_SUPER : HUB_POWER;
    if (!(status & power)) {
        port->check = true;
        port->settled = plat_ticks() + kg_usb_ticks(100u + 2u * x->target->power_delay);
        kg_usb_control(x->target, SET_PORT_FEATURE, FEATURE_POWER, x->target_port, 0);
        x->step = HUB_POWERED;
        return ++port->powered < 3 ? KG_USB_AGAIN : KG_USB_DONE;
    }
    if (!(status & HUB_CONNECTED) || port->child || port->tries >= KG_USB_TRIES) {
        return KG_USB_DONE;
    }
    if (status & CHANGED_CONNECTION) {
        kg_usb_settle(port);
        return KG_USB_DONE;
    }
    x->step = HUB_RESET_ASK;
    x->waits = 0;
    kg_usb_control(x->target, SET_PORT_FEATURE, FEATURE_RESET, x->target_port, 0);
    return KG_USB_AGAIN;
}

static enum kg_usb_step clear_next_change(struct kg_xhci *x, struct kg_usb_port *port)
{
    for (uint8_t i = x->waits; i < 16; i++) {
        if (x->status >> (16 + i) & 1) {
            static const uint8_t super[16] = {16, 17, 18, 19, 20, 29, 25, 26};
            uint8_t feature = x->target->speed >= KG_USB_SUPER ? super[i] : (uint8_t)(16 + i);
            x->waits = (uint8_t)(i + 1);
            kg_usb_control(x->target, CLEAR_PORT_FEATURE, feature ? feature : 16, x->target_port, 0);
            return KG_USB_AGAIN;
        }
    }
    return act_on_status(x, port);
}

static enum kg_usb_step watch_reset(struct kg_xhci *x, struct kg_usb_port *port)
{
    uint32_t status = port_status(x->target);
    if (!(status & HUB_CONNECTED)) {
        return reset_failed(port);
    }
    if ((status & HUB_RESET) || !(status & HUB_ENABLED)) {
        x->step = HUB_RESET_ASK;
        kg_usb_pause(x, HUB_STEP_MS);
        return ++x->waits < HUB_RESET_STEPS ? KG_USB_AGAIN : reset_failed(port);
    }
    x->status = status;
    x->step = HUB_RESET_CLEARED;
    kg_usb_control(x->target, CLEAR_PORT_FEATURE, 20, x->target_port, 0); /* C_PORT_RESET */
    return KG_USB_AGAIN;
}

enum kg_usb_step kg_usb_hub_port(struct kg_xhci *x)
{
    struct kg_usb *hub = x->target;
    struct kg_usb_port *port = &hub->ports[x->target_port];
    bool failed = x->step != HUB_ASK && x->op.code != KG_XHCI_SUCCESS;
    if (hub->dying || !hub->ready || failed) {
        return KG_USB_DONE; /* a hub that fails is looked at when its own port changes */
    }
    switch (x->step) {
    case HUB_ASK:
        x->step = HUB_LOOK;
        ask_status(x);
        return KG_USB_AGAIN;
    case HUB_LOOK:
        x->status = port_status(hub);
        x->waits = 0;
        x->step = HUB_CLEAR;
        return clear_next_change(x, port);
    case HUB_CLEAR: return clear_next_change(x, port);
    case HUB_RESET_ASK:
        x->step = HUB_RESET_LOOK;
        ask_status(x);
        return KG_USB_AGAIN;
    case HUB_RESET_LOOK: return watch_reset(x, port);
    case HUB_RESET_CLEARED:
        x->step = HUB_RESET_SETTLED;
        kg_usb_pause(x, HUB_RECOVERY_MS);
        return KG_USB_AGAIN;
    case HUB_RESET_SETTLED: return enumerate_child(x, port, x->status);
    default: return KG_USB_DONE;
    }
}

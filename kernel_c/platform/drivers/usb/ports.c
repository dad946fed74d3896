/* The job of a port of the controller: what was unplugged goes, what was plugged in is reset and enumerated (xHCI 1.2,
 * 4.3.1 and 4.19). */
#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "registers.h"
#include "usb.h"

#define PORT_STEP_MS 10u
#define PORT_RESET_STEPS 60
#define PORT_RECOVERY_MS 15u
#define SPEEDS 5u
#define DEBOUNCE_MS 100u

void kg_usb_settle(struct kg_usb_port *port)
{
    port->check = true;
    port->settled = plat_ticks() + kg_usb_ticks(DEBOUNCE_MS);
}

static volatile uint8_t *port_register(const struct kg_xhci *x)
{
    return x->operational + XHCI_PORTS + PORT_SIZE * (x->target_port - 1u);
}

static enum kg_usb_step begin_enumeration(struct kg_xhci *x, struct kg_usb_port *port, uint8_t speed)
{
    struct kg_usb *d = speed >= 1 && speed <= SPEEDS ? kg_usb_new(x) : NULL;
    if (!d) {
        port->tries = UINT8_MAX;
        return KG_USB_DONE;
    }
    d->speed = speed;
    d->root_port = x->target_port;
    port->child = (uint8_t)(d - x->devices + 1);
    x->target = d;
    x->job = kg_usb_enumerate;
    x->step = 0;
    return KG_USB_AGAIN;
}

static enum kg_usb_step look_at_port(struct kg_xhci *x, struct kg_usb_port *port, uint32_t state)
{
    kg_mmio_write32(port_register(x), (state & (PORT_KEPT | PORT_CHANGES)) | PORT_POWER);
    if (state & PORT_CONNECT_CHANGED) {
        port->tries = 0;
    }
    if (!(state & PORT_CONNECTED) || (state & PORT_CONNECT_CHANGED) || !(state & PORT_ENABLED)) {
        kg_usb_remove(x, port);
    }
    if (!(state & PORT_CONNECTED) || port->child || port->tries >= KG_USB_TRIES) {
        return KG_USB_DONE;
    }
    if (state & PORT_CONNECT_CHANGED) {
        kg_usb_settle(port);
        return KG_USB_DONE;
    }
    if ((state & PORT_ENABLED) && port->tries == 0) { /* a USB 3 port resets itself */
        x->step = 2;
    } else {
        uint32_t reset = port->is_super ? PORT_WARM_RESET : PORT_RESET;
        kg_mmio_write32(port_register(x), (state & PORT_KEPT) | PORT_POWER | reset);
        x->step = 1;
    }
    kg_usb_pause(x, PORT_STEP_MS);
    return KG_USB_AGAIN;
}

enum kg_usb_step kg_usb_root_port(struct kg_xhci *x)
{
    struct kg_usb_port *port = &x->ports[x->target_port];
    uint32_t state = kg_mmio_read32(port_register(x));
    switch (x->step) {
    case 0: x->waits = 0; return look_at_port(x, port, state);
    case 1:
        if ((state & PORT_RESET) || !(state & PORT_ENABLED)) {
            if (++x->waits < PORT_RESET_STEPS) {
                kg_usb_pause(x, PORT_STEP_MS);
                return KG_USB_AGAIN;
            }
            port->tries++;
            port->check = true;
            return KG_USB_DONE;
        }
        kg_mmio_write32(port_register(x), (state & PORT_KEPT) | PORT_POWER | (state & PORT_RESET_CHANGED));
        x->step = 2;
        kg_usb_pause(x, PORT_RECOVERY_MS);
        return KG_USB_AGAIN;
    default: return begin_enumeration(x, port, state >> 10 & 15);
    }
}

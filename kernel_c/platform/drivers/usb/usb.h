/* Devices on an xHCI controller, and what the files of this room share. A controller does one thing at a time, its job:
 * to reset a port, to enumerate a device, to set lights. A job is a function that starts one operation at each call
 * (a command, a control transfer, a pause) and is called again when the operation has ended. Nothing waits.
 *
 * An event leads to the device that it belongs to, and that queues the next transfer. A port's job goes on as the job
 * of the device that it found. Circle: contexts.c, enumerate.c, hub.c, keyboard.c, operations.c, ports.c, rings.c,
 * scsi.c, storage.c */
#ifndef KGPT_DRIVERS_USB_H
#define KGPT_DRIVERS_USB_H

#include "descriptors.h"
#include "kgpt/device.h"
#include "kgpt/keyboard.h"
#include "storage.h"

#define KG_XHCI_RING 64u /* TRBs of a ring; the last one links to the first */
#ifndef KG_USB_DEVICES   /* a fuzzer makes it small, so that short inputs fill it */
#define KG_USB_DEVICES 48u
#endif
#define KG_USB_HUB_PORTS 15u /* a route string has four bits for each hub */
#define KG_USB_REPORTS 16u   /* transfers that wait for reports, so that none is lost while the kernel computes */
#define KG_USB_BUFFER 4096u
#define KG_USB_TYPED 256u
#define KG_USB_TRIES 3

struct kg_xhci_trb {
    uint64_t parameter;
    uint32_t status, control;
};

struct kg_xhci_ring {
    struct kg_xhci_trb *trbs; /* shared with the controller */
    uint16_t at;              /* the next TRB to write */
    uint8_t cycle;
};

enum kg_usb_speed { KG_USB_FULL = 1, KG_USB_LOW, KG_USB_HIGH, KG_USB_SUPER };

/* A port of the controller, or of a hub. */
struct kg_usb_port {
    bool check;       /* something changed */
    uint8_t tries;    /* enumerations that failed since the last change */
    uint8_t child;    /* the device there: its index + 1; 0: none */
    bool is_super;    /* of the controller: USB 3 */
    uint8_t powered;  /* how often its hub was told to switch it on */
    uint64_t settled; /* not touched before this time, in ticks: contacts bounce */
};

struct kg_usb_keys {
    struct kg_keyboard decoder;
    uint8_t report[8]; /* the last one */
    uint8_t repeated;  /* the usage that repeats; 0: none */
    uint8_t lights;    /* as the keyboard was told */
    uint64_t next;     /* when it repeats */
};

struct kg_usb {
    struct kg_xhci *host;
    bool used, dying, ready;
    bool halted;    /* its interrupt endpoint must be reset */
    uint8_t errors; /* transfers in a row that failed */
    uint8_t slot, speed, depth, root_port;
    uint8_t parent, port; /* the hub's index + 1 and its port, from 1; 0: on the controller */
    uint8_t tt_slot, tt_port;
    uint32_t route;
    uint16_t packet; /* maximum packet size of endpoint 0 */
    uint16_t vendor, product;
    struct kg_usb_function function;
    uint8_t in_dci, out_dci;
    uint8_t *memory; /* DMA memory, kept when the device goes */
    struct kg_xhci_ring control, in, out;
    uint8_t report_of[KG_XHCI_RING]; /* buffer + 1 of the transfer at this place of the ring; 0: none */
    struct kg_usb_keys keys;
    uint8_t n_ports, think_time, power_delay;
    struct kg_usb_port ports[KG_USB_HUB_PORTS + 1];
};

enum kg_usb_step { KG_USB_AGAIN, KG_USB_DONE };
typedef enum kg_usb_step kg_usb_job(struct kg_xhci *x);

enum { KG_XHCI_SUCCESS = 1, KG_XHCI_STALL = 6, KG_XHCI_SHORT = 13, KG_XHCI_TIMEOUT = 255 };

/* The operation that a job waits for. */
struct kg_xhci_op {
    enum { KG_OP_NONE, KG_OP_COMMAND, KG_OP_CONTROL, KG_OP_PAUSE } kind;
    uint8_t code;     /* how it ended: KG_XHCI_SUCCESS, another completion code, KG_XHCI_TIMEOUT */
    uint8_t recovery; /* steps of resetting endpoint 0 after a failed transfer */
    uint8_t failed;   /* the transfer's code meanwhile */
    bool aborted;
    uint8_t slot;           /* of a command that made one */
    uint16_t wanted, given; /* bytes of a control transfer */
    uint64_t trb, data_trb, deadline;
    struct kg_usb *device;
};

struct kg_xhci {
    struct kg_device *device;
    struct kg_unit unit; /* all its keyboards */
    volatile uint8_t *registers, *operational, *runtime, *doorbells;
    uint64_t size;    /* bytes of registers */
    uint64_t limit;   /* of DMA addresses */
    uint32_t context; /* bytes of a context: 32 or 64 */
    uint8_t n_slots, n_ports;
    uint64_t *contexts; /* the device context base address array */
    struct kg_xhci_ring commands;
    struct kg_xhci_trb *events;
    uint16_t event_at;
    uint8_t event_cycle;
    uint64_t looked, started; /* ticks */
    struct kg_xhci_op op;
    kg_usb_job *job;
    uint8_t step, waits;
    uint32_t status;       /* of a hub's port */
    struct kg_usb *target; /* of the job */
    uint8_t target_port;
    uint8_t n_keyboards;
    bool had_keyboard, restart;
    uint8_t typed[KG_USB_TYPED];
    uint16_t typed_in, typed_out;
    struct kg_usb_port ports[256];
    struct kg_usb devices[KG_USB_DEVICES];
    struct kg_usb_storage storages[KG_USB_STORAGES];
};

/* rings.c */
void kg_xhci_ring_begin(struct kg_xhci_ring *ring, void *memory);
uint64_t kg_xhci_put(struct kg_xhci_ring *ring, uint64_t parameter, uint32_t status, uint32_t control);
void kg_xhci_ring_doorbell(struct kg_xhci *x, uint8_t slot, uint32_t target);
void kg_xhci_take_events(struct kg_xhci *x);

/* operations.c: start an operation, and see whether it has ended. */
void kg_xhci_command(struct kg_xhci *x, uint64_t parameter, uint32_t control);
void kg_usb_control(struct kg_usb *d, uint16_t request, uint16_t value, uint16_t index, uint16_t n);
void kg_usb_pause(struct kg_xhci *x, uint32_t ms);
bool kg_xhci_op_ended(struct kg_xhci *x); /* advances it */
uint64_t kg_usb_ticks(uint32_t ms);

/* contexts.c */
bool kg_usb_give_memory(struct kg_usb *d);
uint8_t *kg_usb_buffer(const struct kg_usb *d); /* of KG_USB_BUFFER bytes, for control transfers */
uint8_t *kg_usb_report(const struct kg_usb *d, uint32_t i);
void kg_usb_address_device(struct kg_usb *d);
void kg_usb_evaluate_packet(struct kg_usb *d);
void kg_usb_configure_endpoints(struct kg_usb *d, bool again);
void kg_usb_configure_hub(struct kg_usb *d);

/* enumerate.c: the job of a new device, which is the controller's target. */
enum kg_usb_step kg_usb_enumerate(struct kg_xhci *x);
enum kg_usb_step kg_usb_unhalt(struct kg_xhci *x);
struct kg_usb *kg_usb_new(struct kg_xhci *x); /* NULL: too many devices */
void kg_usb_remove(struct kg_xhci *x, struct kg_usb_port *port);
struct kg_usb_port *kg_usb_port_of(struct kg_usb *d);
void kg_usb_listen(struct kg_usb *d); /* queues transfers for reports */
void kg_usb_hear(struct kg_usb *d, uint64_t trb, uint8_t code, uint32_t left);

bool kg_usb_keyboard_name(const struct kg_unit *unit, uint32_t i, char *text, size_t size);
bool kg_usb_describe(const struct kg_device *device, uint32_t i, char *text, size_t size);

/* ports.c, hub.c, keyboard.c */
void kg_usb_settle(struct kg_usb_port *port); /* looks at it again when its contacts no longer bounce */
enum kg_usb_step kg_usb_root_port(struct kg_xhci *x);
enum kg_usb_step kg_usb_hub_port(struct kg_xhci *x);
enum kg_usb_step kg_usb_lights(struct kg_xhci *x);
void kg_usb_hub_report(struct kg_usb *hub, const uint8_t *report, uint32_t n);
void kg_usb_key_report(struct kg_usb *d, const uint8_t *report, uint32_t n);
void kg_usb_repeat_keys(struct kg_usb *d);
void kg_usb_release_keys(struct kg_usb *d);
enum kg_usb_step kg_usb_storage_mend(struct kg_xhci *x); /* storage.c */

#endif

/* USB mass storage: SCSI commands in the bulk-only transport (USB MSC BOT 1.0). storage.c moves one command at a time
 * to a device, scsi.c decides which. */
#ifndef KGPT_DRIVERS_USB_STORAGE_H
#define KGPT_DRIVERS_USB_STORAGE_H

#include "kgpt/device.h"

#ifndef KG_USB_STORAGES /* a fuzzer makes them few, so that short inputs use them all */
#define KG_USB_STORAGES 8u
#endif
#define KG_USB_LUNS 4u
#define KG_USB_REQUESTS 8u /* of one disk, waiting */

struct kg_usb;
struct kg_usb_storage;
struct kg_xhci;

enum kg_lun_state { KG_LUN_NONE, KG_LUN_INQUIRY, KG_LUN_READY, KG_LUN_SIZE, KG_LUN_SIZE_16, KG_LUN_MODE, KG_LUN_WORKS };

/* A disk of a device: a logical unit. */
struct kg_usb_lun {
    struct kg_unit unit; /* first: a unit leads to its LUN */
    struct kg_usb_storage *storage;
    enum kg_lun_state state;
    uint8_t tries; /* of the request, or of the state's command */
    uint8_t n;     /* requests */
    uint64_t when; /* the state's command is sent, in ticks */
    struct kg_block_request *requests[KG_USB_REQUESTS];
};

/* How a command ended. PART: with success, but not all bytes were moved. */
enum kg_bot_result { KG_BOT_GOOD, KG_BOT_PART, KG_BOT_CHECK, KG_BOT_BROKEN };

/* What must be mended before the device understands the next command. */
enum kg_bot_mend { KG_MEND_NOTHING, KG_MEND_IN, KG_MEND_OUT, KG_MEND_ALL };

struct kg_usb_storage {
    struct kg_usb *device; /* NULL: unused */
    struct kg_usb_lun luns[KG_USB_LUNS];
    uint8_t n_luns;
    uint8_t lun;      /* of the command */
    bool busy;        /* a command is on its way */
    bool sensing;     /* REQUEST SENSE follows, or is on its way */
    bool moved_part;  /* a packet was short, or an endpoint stalled */
    bool asked_again; /* for the status, after it stalled */
    uint8_t broken;   /* commands in a row that broke */
    enum kg_bot_mend mend;
    uint32_t tag, wanted, given;                          /* bytes of data */
    uint64_t command_trb, data_trb, status_trb, deadline; /* status_trb 0: it was not asked for yet */
    uint8_t *bounce;                                      /* NULL: the controller reaches all memory */
};

/* storage.c */
void kg_usb_storage_begin(struct kg_xhci *x, struct kg_usb *d, uint32_t n_luns);
void kg_usb_storage_remove(struct kg_xhci *x, struct kg_usb *d);
struct kg_usb_storage *kg_usb_storage_of(struct kg_xhci *x, const struct kg_usb *d); /* NULL: none */
void kg_usb_storage_hear(struct kg_usb_storage *s, uint8_t dci, uint64_t trb, uint8_t code, uint32_t left);
void kg_usb_storage_poll(struct kg_usb_storage *s);

/* Sends a command of 6, 10 or 16 bytes. The data is at `memory`, or for NULL at kg_usb_storage_data. */
void kg_bot_send(struct kg_usb_storage *s, const uint8_t *command, uint32_t n, bool to_host, void *memory,
                 uint32_t bytes);
uint8_t *kg_usb_storage_data(const struct kg_usb_storage *s);
#define KG_BOT_DATA 512u

/* scsi.c */
void kg_scsi_begin(struct kg_usb_storage *s);
void kg_scsi_end(struct kg_usb_storage *s);  /* all requests fail, all disks are gone */
void kg_scsi_next(struct kg_usb_storage *s); /* sends a command if there is one to send */
void kg_scsi_done(struct kg_usb_storage *s, enum kg_bot_result result);
bool kg_scsi_settling(const struct kg_usb_storage *s); /* disks may be found soon */

#endif

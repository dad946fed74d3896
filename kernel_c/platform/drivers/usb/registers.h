/* Registers and TRBs of xHCI controllers (xHCI 1.2, chapters 5 and 6). */
#ifndef KGPT_DRIVERS_USB_REGISTERS_H
#define KGPT_DRIVERS_USB_REGISTERS_H

#define USBCMD 0x00u
#define USBCMD_RUN 1u
#define USBCMD_RESET 2u
#define USBSTS 0x04u
#define USBSTS_HALTED 1u
#define USBSTS_HOST_ERROR 4u
#define USBSTS_NOT_READY (1u << 11)
#define USBSTS_CONTROLLER_ERROR (1u << 12)
#define XHCI_PAGESIZE 0x08u
#define CRCR 0x18u
#define CRCR_ABORT 4u
#define DCBAAP 0x30u
#define XHCI_CONFIG 0x38u
#define XHCI_PORTS 0x400u
#define PORT_SIZE 0x10u

#define PORT_CONNECTED 1u
#define PORT_ENABLED 2u
#define PORT_RESET (1u << 4)
#define PORT_POWER (1u << 9)
#define PORT_CHANGES (0x7Fu << 17)
#define PORT_CONNECT_CHANGED (1u << 17)
#define PORT_RESET_CHANGED (1u << 21 | 1u << 19)
#define PORT_WARM_RESET (1u << 31)
#define PORT_KEPT (PORT_POWER | 3u << 14 | 7u << 25) /* what a write must not change */

#define TRB_CYCLE 1u
#define TRB_TOGGLE 2u       /* of a link */
#define TRB_SHORT (1u << 2) /* tell short packets */
#define TRB_CHAIN (1u << 4)
#define TRB_INTERRUPT (1u << 5) /* on completion: makes an event */
#define TRB_IMMEDIATE (1u << 6)
#define TRB_TO_HOST (1u << 16) /* of the data and status stage */
#define TRB_TYPE(type) ((uint32_t)(type) << 10)
#define TRB_SLOT(slot) ((uint32_t)(slot) << 24)
#define TRB_ENDPOINT(dci) ((uint32_t)(dci) << 16)

enum trb {
    TRB_NORMAL = 1,
    TRB_SETUP,
    TRB_DATA,
    TRB_STATUS,
    TRB_LINK = 6,
    TRB_ENABLE_SLOT = 9,
    TRB_DISABLE_SLOT,
    TRB_ADDRESS_DEVICE,
    TRB_CONFIGURE_ENDPOINT,
    TRB_EVALUATE_CONTEXT,
    TRB_RESET_ENDPOINT,
    TRB_STOP_ENDPOINT,
    TRB_SET_DEQUEUE,
    EVENT_TRANSFER = 32,
    EVENT_COMMAND,
    EVENT_PORT,
};

#endif

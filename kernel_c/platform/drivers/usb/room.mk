BARE_DRIVERS += \
    platform/drivers/usb/contexts.c \
    platform/drivers/usb/descriptors.c \
    platform/drivers/usb/enumerate.c \
    platform/drivers/usb/hub.c \
    platform/drivers/usb/keyboard.c \
    platform/drivers/usb/operations.c \
    platform/drivers/usb/ports.c \
    platform/drivers/usb/rings.c \
    platform/drivers/usb/scsi.c \
    platform/drivers/usb/storage.c \
    platform/drivers/usb/xhci.c

BARE_DRIVERS += \
    platform/drivers/devices.c \
    platform/drivers/keymap.c \
    platform/drivers/table.c
BARE_NO_DRIVERS += platform/drivers/absent.c

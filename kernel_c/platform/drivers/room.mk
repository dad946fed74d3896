BARE_LARGE += \
    platform/drivers/devices.c \
    platform/drivers/table.c
BARE_NO_LARGE += platform/drivers/absent.c

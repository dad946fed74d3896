BARE_NET += \
    platform/drivers/net/e1000.c \
    platform/drivers/net/table.c
BARE_NO_NET += platform/drivers/net/absent.c

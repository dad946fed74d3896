BARE += \
    platform/pc/clock.c \
    platform/pc/debugcon.c \
    platform/pc/firmware.c \
    platform/pc/hpet.c \
    platform/pc/i8042.c \
    platform/pc/idle.c \
    platform/pc/pit.c \
    platform/pc/pmtimer.c \
    platform/pc/power.c \
    platform/pc/rtc.c \
    platform/pc/serial.c \
    platform/pc/start.c \
    platform/pc/vga.c
BARE_DRIVERS += \
    platform/pc/pci_config.c \
    platform/pc/virtio_registers.c

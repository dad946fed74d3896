BARE += \
    platform/virt/button.c \
    platform/virt/channel.c \
    platform/virt/clock.c \
    platform/virt/devices.c \
    platform/virt/fw_cfg.c \
    platform/virt/idle.c \
    platform/virt/pl011.c \
    platform/virt/power.c \
    platform/virt/ramfb.c \
    platform/virt/start.c

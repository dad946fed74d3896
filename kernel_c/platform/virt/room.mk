BARE += \
    platform/virt/channel.c \
    platform/virt/clock.c \
    platform/virt/devices.c \
    platform/virt/idle.c \
    platform/virt/pl011.c \
    platform/virt/power.c \
    platform/virt/start.c \
    platform/virt/tree_facts.c

HOSTED += \
    platform/linux/console.c \
    platform/linux/dial.c \
    platform/linux/disks.c \
    platform/linux/machine.c \
    platform/linux/main.c \
    platform/linux/pages.c \
    platform/linux/sockets.c \
    platform/linux/threads.c

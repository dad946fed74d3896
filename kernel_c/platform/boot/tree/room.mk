BARE += \
    platform/boot/tree/fdt.c \
    platform/boot/tree/initrd.c \
    platform/boot/tree/tree.c

BARE += \
    platform/boot/pc/boot.c \
    platform/boot/pc/multiboot1.c \
    platform/boot/pc/multiboot2.c \
    platform/boot/pc/pvh.c \
    platform/boot/pc/rsdp.c

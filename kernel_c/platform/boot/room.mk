BARE += \
    platform/boot/boot.c \
    platform/boot/boot_info.c \
    platform/boot/multiboot1.c \
    platform/boot/multiboot2.c \
    platform/boot/pvh.c \
    platform/boot/uefi.c
UEFI += platform/boot/boot_info.c

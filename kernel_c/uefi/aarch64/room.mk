UEFI += \
    uefi/aarch64/caches.c \
    uefi/aarch64/enter.S \
    uefi/aarch64/linux.S

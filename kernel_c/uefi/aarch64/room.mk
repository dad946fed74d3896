UEFI += \
    uefi/aarch64/caches.c \
    uefi/aarch64/enter.S

UEFI += \
    uefi/x86_64/enter.S \
    uefi/x86_64/ramp.c

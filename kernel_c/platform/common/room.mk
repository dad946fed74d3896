BARE += \
    platform/common/memory.c \
    platform/common/network.c \
    platform/common/panic.c \
    platform/common/parallel.c \
    platform/common/screen.c

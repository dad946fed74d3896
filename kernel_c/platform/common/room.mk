BARE += \
    platform/common/memory.c \
    platform/common/panic.c \
    platform/common/parallel.c \
    platform/common/screen.c

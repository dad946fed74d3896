BARE += \
    platform/common/console.c \
    platform/common/describe.c \
    platform/common/fault.c \
    platform/common/memory.c \
    platform/common/paging.c \
    platform/common/panic.c \
    platform/common/parallel.c \
    platform/common/processors.c \
    platform/common/screen.c

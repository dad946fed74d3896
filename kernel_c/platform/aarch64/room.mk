BARE += \
    platform/aarch64/entropy.c \
    platform/aarch64/exceptions.c \
    platform/aarch64/fault.c \
    platform/aarch64/gic.c \
    platform/aarch64/paging.c \
    platform/aarch64/processor.c \
    platform/aarch64/psci.c \
    platform/aarch64/requirements.c \
    platform/aarch64/smp.c \
    platform/aarch64/timer.c \
    platform/aarch64/vectors.S

BARE += \
    platform/x86_64/apic.c \
    platform/x86_64/entropy.c \
    platform/x86_64/exceptions.c \
    platform/x86_64/fault.c \
    platform/x86_64/fpu.c \
    platform/x86_64/gdt.c \
    platform/x86_64/interrupts.c \
    platform/x86_64/isr.S \
    platform/x86_64/mtrr.c \
    platform/x86_64/paging.c \
    platform/x86_64/processor.c \
    platform/x86_64/smi.c \
    platform/x86_64/smp.c \
    platform/x86_64/tsc.c

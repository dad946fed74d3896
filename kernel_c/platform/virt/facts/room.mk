BARE += \
    platform/virt/facts/from_acpi.c \
    platform/virt/facts/from_tree.c

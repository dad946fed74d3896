ENGINE += \
    core/acpi/acpi.c \
    core/acpi/acpi_cpus.c \
    core/acpi/acpi_fadt.c \
    core/acpi/acpi_s5.c
ENGINE_LARGE += core/acpi/acpi_test.c
SMALL += \
    core/acpi/acpi.c \
    core/acpi/acpi_cpus.c \
    core/acpi/acpi_fadt.c \
    core/acpi/acpi_s5.c
BARE += \
    core/acpi/acpi_arm.c \
    core/acpi/acpi_devices.c \
    core/acpi/acpi_pci.c
BRANCHES += core/acpi/acpi_s5.c

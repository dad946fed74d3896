ENGINE += \
    core/acpi.c \
    core/acpi_cpus.c \
    core/acpi_fadt.c \
    core/acpi_s5.c \
    core/arena.c \
    core/arena_count.c \
    core/arena_test.c \
    core/crc32.c \
    core/crc32_test.c \
    core/error.c \
    core/event.c \
    core/format.c \
    core/format_test.c \
    core/json.c \
    core/json_test.c \
    core/parse.c \
    core/parse_test.c \
    core/str.c \
    core/str_test.c \
    core/test.c \
    core/utf8.c \
    core/utf8_test.c
ENGINE_LM += \
    core/crc32_long.c \
    core/crc32_long_test.c \
    core/json_read.c \
    core/json_value.c
ENGINE_LARGE += \
    core/acpi_test.c \
    core/arena_count_test.c \
    core/sha256.c \
    core/sha256_test.c
SMALL += \
    core/acpi.c \
    core/acpi_cpus.c \
    core/acpi_fadt.c \
    core/acpi_s5.c \
    core/arena.c \
    core/arena_count.c \
    core/error.c \
    core/event.c \
    core/format.c \
    core/json.c \
    core/json_read.c \
    core/json_value.c \
    core/parse.c \
    core/str.c \
    core/test.c \
    core/utf8.c
BARE += \
    core/acpi_arm.c \
    core/acpi_devices.c \
    core/acpi_pci.c
UEFI += \
    core/error.c \
    core/format.c \
    core/parse.c \
    core/sha256.c \
    core/sha256_absent.c \
    core/str.c \
    core/utf8.c
BRANCHES += core/acpi_s5.c core/event.c core/format.c

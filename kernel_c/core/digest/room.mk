ENGINE += \
    core/digest/crc32.c \
    core/digest/crc32_test.c
ENGINE_LM += \
    core/digest/crc32_long.c \
    core/digest/crc32_long_test.c
ENGINE_LARGE += \
    core/digest/sha256.c \
    core/digest/sha256_test.c
UEFI += \
    core/digest/sha256.c \
    core/digest/sha256_absent.c

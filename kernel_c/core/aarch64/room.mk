ENGINE += \
    core/aarch64/cpu.c \
    core/aarch64/cpu_test.c
ENGINE_LM += core/aarch64/crc32_crc.c
ENGINE_LARGE += core/aarch64/sha256_sha.c
SMALL += core/aarch64/cpu.c
NO_FP += core/aarch64/memory.c
RUNTIME += core/aarch64/memory.c
UEFI += core/aarch64/memory.c

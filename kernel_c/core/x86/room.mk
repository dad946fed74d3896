ENGINE += \
    core/x86/cpu.c \
    core/x86/cpu_test.c
ENGINE_LM += \
    core/x86/crc32_clmul.c \
    core/x86/crc32_fast.c
ENGINE_LARGE += core/x86/sha256_sha.c
SMALL += core/x86/cpu.c
RUNTIME += core/x86/memory.c
UEFI += core/x86/memory.c

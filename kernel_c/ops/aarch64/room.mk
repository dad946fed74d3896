ENGINE += \
    ops/aarch64/choose.c \
    ops/aarch64/choose_test.c \
    ops/aarch64/isa.c \
    ops/aarch64/matmul_neon.c
ENGINE_LM += \
    ops/aarch64/choose_attention.c \
    ops/aarch64/choose_slots.c \
    ops/aarch64/choose_slots_test.c \
    ops/aarch64/kv_neon.c

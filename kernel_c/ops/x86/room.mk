ENGINE += \
    ops/x86/choose.c \
    ops/x86/choose_test.c \
    ops/x86/isa.c \
    ops/x86/matmul_avx2.c \
    ops/x86/matmul_avx512.c
ENGINE_LM += \
    ops/x86/choose_attention.c \
    ops/x86/attention_avx2.c \
    ops/x86/attention_avx512.c \
    ops/x86/kv_avx2.c \
    ops/x86/choose_slots.c \
    ops/x86/choose_slots_test.c
F16C += ops/x86/kv_avx2.c

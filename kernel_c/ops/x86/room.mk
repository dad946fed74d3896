ENGINE += \
    ops/x86/choose.c \
    ops/x86/isa.c \
    ops/x86/matmul_avx2.c \
    ops/x86/matmul_avx512.c

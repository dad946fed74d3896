ENGINE_LM += \
    ops/quant/act.c \
    ops/quant/act_avx2.c \
    ops/quant/float_avx2.c \
    ops/quant/float_ref.c \
    ops/quant/float_sse2.c \
    ops/quant/q8_avx2.c \
    ops/quant/q8_swar.c \
    ops/quant/q8k_avx2.c \
    ops/quant/q8k_swar.c \
    ops/quant/quant.c \
    ops/quant/quant_test.c \
    ops/quant/ref.c \
    ops/quant/types.c \
    ops/quant/unpack.c
F16C += \
    ops/quant/act_avx2.c \
    ops/quant/float_avx2.c \
    ops/quant/q8_avx2.c \
    ops/quant/q8k_avx2.c

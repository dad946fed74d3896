ENGINE_LM += \
    ops/quant/avx2/act_avx2.c \
    ops/quant/avx2/float_avx2.c \
    ops/quant/avx2/q8_avx2.c \
    ops/quant/avx2/q8k_avx2.c
F16C += ops/quant/avx2/%

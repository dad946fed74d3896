ENGINE_LM += \
    ops/quant/avx512/float_avx512.c \
    ops/quant/avx512/q8_avx512vnni.c \
    ops/quant/avx512/q8k_avx512vnni.c

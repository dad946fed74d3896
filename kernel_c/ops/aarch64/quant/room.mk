ENGINE_LM += \
    ops/aarch64/quant/act_neon.c \
    ops/aarch64/quant/float_neon.c \
    ops/aarch64/quant/q8_dotprod.c \
    ops/aarch64/quant/q8_i8mm.c \
    ops/aarch64/quant/q8_neon.c \
    ops/aarch64/quant/q8k_dotprod.c \
    ops/aarch64/quant/q8k_i8mm.c \
    ops/aarch64/quant/q8k_neon.c

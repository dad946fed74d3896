ENGINE_LM += \
    ops/quant/swar/codes_swar.c \
    ops/quant/swar/q8_swar.c \
    ops/quant/swar/q8k_swar.c

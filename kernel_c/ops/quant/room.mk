ENGINE_LM += \
    ops/quant/act.c \
    ops/quant/float_ref.c \
    ops/quant/quant.c \
    ops/quant/quant_test.c \
    ops/quant/ref.c \
    ops/quant/slots.c \
    ops/quant/types.c \
    ops/quant/unpack.c

ENGINE += \
    ops/matmul_test.c \
    ops/ops.c

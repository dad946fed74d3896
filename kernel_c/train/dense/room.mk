ENGINE_TRAIN += \
    train/dense/dense.c \
    train/dense/dense_avx2.c \
    train/dense/dense_avx512.c \
    train/dense/dense_c.c \
    train/dense/dense_check.c \
    train/dense/dense_draws.c \
    train/dense/dense_memory.c \
    train/dense/dense_shape.c \
    train/dense/dense_state.c \
    train/dense/dense_test.c \
    train/dense/dense_update.c
FMA += train/dense/dense_avx2.c
SMALL += train/dense/dense_check.c train/dense/dense_state.c

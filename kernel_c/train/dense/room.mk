ENGINE_TRAIN += \
    train/dense/dense.c \
    train/dense/dense_c.c \
    train/dense/dense_check.c \
    train/dense/dense_draws.c \
    train/dense/dense_memory.c \
    train/dense/dense_shape.c \
    train/dense/dense_state.c \
    train/dense/dense_test.c \
    train/dense/dense_update.c
SMALL += train/dense/dense_check.c train/dense/dense_state.c

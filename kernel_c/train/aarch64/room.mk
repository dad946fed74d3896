ENGINE_TRAIN += \
    train/aarch64/choose_dense.c \
    train/aarch64/choose_exact.c \
    train/aarch64/choose_fast.c \
    train/aarch64/dense_neon.c \
    train/aarch64/fast_neon.c

ENGINE_TRAIN += \
    train/x86/choose_dense.c \
    train/x86/choose_exact.c \
    train/x86/choose_fast.c \
    train/x86/dense_avx2.c \
    train/x86/dense_avx512.c \
    train/x86/exact_avx2.c \
    train/x86/fast_avx2.c \
    train/x86/fast_avx512.c
FMA += train/x86/dense_avx2.c train/x86/fast_avx2.c

ENGINE_LM += \
    ops/attention/attention.c \
    ops/attention/attention_avx2.c \
    ops/attention/attention_avx512.c \
    ops/attention/attention_ref.c \
    ops/attention/attention_sse2.c \
    ops/attention/attention_test.c \
    ops/attention/kv_avx2.c \
    ops/attention/kv_ref.c \
    ops/attention/kv_sse2.c
F16C += ops/attention/kv_avx2.c

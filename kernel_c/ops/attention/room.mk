ENGINE_LM += \
    ops/attention/attention_128.c \
    ops/attention/attention_ref.c \
    ops/attention/attention_test.c \
    ops/attention/kv_128.c \
    ops/attention/kv_ref.c

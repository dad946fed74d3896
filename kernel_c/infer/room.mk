ENGINE_LM += \
    infer/arch.c \
    infer/forward.c \
    infer/kv.c \
    infer/lm_fields.c \
    infer/lm_hparams.c \
    infer/lm_model.c \
    infer/lm_tensors.c \
    infer/lm_test.c \
    infer/mean.c \
    infer/pass.c \
    infer/prefill.c \
    infer/rope.c \
    infer/rows.c \
    infer/session.c \
    infer/test_gguf.c \
    infer/vector.c \
    infer/work.c

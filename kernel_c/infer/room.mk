ENGINE += \
    infer/reply.c \
    infer/sampler.c \
    infer/sampler_test.c
ENGINE_LM += \
    infer/arch.c \
    infer/attention.c \
    infer/chat.c \
    infer/chat_reply.c \
    infer/chat_test.c \
    infer/chat_text.c \
    infer/conversation.c \
    infer/forward.c \
    infer/kv.c \
    infer/lm_fields.c \
    infer/lm_hparams.c \
    infer/lm_model.c \
    infer/lm_sampler.c \
    infer/lm_sampler_test.c \
    infer/lm_tensors.c \
    infer/lm_test.c \
    infer/loaded.c \
    infer/rope.c \
    infer/rows.c \
    infer/session.c \
    infer/stream.c \
    infer/stream_test.c \
    infer/test_gguf.c \
    infer/turns.c \
    infer/vector.c
SMALL += infer/reply.c

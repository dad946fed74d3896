ENGINE_LM += \
    infer/chat/batch.c \
    infer/chat/chat.c \
    infer/chat/chat_reply.c \
    infer/chat/chat_test.c \
    infer/chat/chat_text.c \
    infer/chat/chat_tools.c \
    infer/chat/conversation.c \
    infer/chat/kept.c \
    infer/chat/loaded.c \
    infer/chat/told.c \
    infer/chat/turns.c

ENGINE_LM += \
    app/chat/lm_chat.c \
    app/chat/lm_chat_commands.c \
    app/chat/lm_chat_read.c \
    app/chat/lm_log.c \
    app/chat/lm_memory.c \
    app/chat/lm_reply.c \
    app/chat/lm_settings.c \
    app/chat/lm_texts.c \
    app/chat/lm_together.c

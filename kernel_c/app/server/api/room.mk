ENGINE_LM += \
    app/server/api/embed.c \
    app/server/api/llama_cpp.c \
    app/server/api/ollama.c \
    app/server/api/ollama_reply.c \
    app/server/api/openai.c \
    app/server/api/openai_chat.c \
    app/server/api/openai_chunks.c \
    app/server/api/openai_text.c
SMALL += app/server/api/%

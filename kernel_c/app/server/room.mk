ENGINE_LM += \
    app/server/answers.c \
    app/server/clients.c \
    app/server/endpoints.c \
    app/server/fields.c \
    app/server/jobs.c \
    app/server/json.c \
    app/server/openai.c \
    app/server/openai_chat.c \
    app/server/print.c \
    app/server/prompt.c \
    app/server/sampling.c \
    app/server/server.c \
    app/server/time.c
SMALL += app/server/%

ENGINE_LM += \
    app/server/answers.c \
    app/server/clients.c \
    app/server/endpoints.c \
    app/server/fields.c \
    app/server/jobs.c \
    app/server/json.c \
    app/server/long_answer.c \
    app/server/page.c \
    app/server/print.c \
    app/server/server.c \
    app/server/time.c
SMALL += app/server/%
GENERATED += app/server/page.c

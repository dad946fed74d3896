ENGINE_LM += \
    app/server/clients.c \
    app/server/endpoints.c \
    app/server/fields.c \
    app/server/jobs.c \
    app/server/print.c \
    app/server/server.c \
    app/server/time.c
SMALL += app/server/%
SHORT_LOOPS += app/server/%

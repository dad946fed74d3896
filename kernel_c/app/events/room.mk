ENGINE += \
    app/events/events.c \
    app/events/print.c \
    app/events/report.c \
    app/events/start.c \
    app/events/statusline.c
ENGINE_LM += app/events/lm_events.c

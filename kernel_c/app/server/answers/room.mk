ENGINE_LM += \
    app/server/answers/answers.c \
    app/server/answers/json.c \
    app/server/answers/long_answer.c \
    app/server/answers/page.c
GENERATED += app/server/answers/page.c

ENGINE_LM += \
    app/server/chat/calls.c \
    app/server/chat/constrain.c \
    app/server/chat/messages.c \
    app/server/chat/prompt.c \
    app/server/chat/python_json.c \
    app/server/chat/sampling.c \
    app/server/chat/tools.c
SMALL += app/server/chat/%

ENGINE_LM += \
    net/client.c \
    net/connections.c \
    net/net.c

ENGINE_LM += \
    app/network/fetch.c \
    app/network/fetch_http.c \
    app/network/fetch_tftp.c \
    app/network/fetch_wait.c
BARE_NET += \
    app/network/dialing.c \
    app/network/stack.c
HOSTED += app/network/dialing_process.c
SMALL += app/network/%
SHORT_LOOPS += app/network/%

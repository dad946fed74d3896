ENGINE_LM += \
    store/date.c \
    store/store.c \
    store/store_change.c
SMALL += store/%

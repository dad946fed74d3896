ENGINE_LM += \
    store/store.c \
    store/store_change.c
SMALL += store/%

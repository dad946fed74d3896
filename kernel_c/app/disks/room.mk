ENGINE_LM += \
    app/disks/lm_load.c \
    app/disks/lm_place.c \
    app/disks/lm_walk.c

ENGINE_LM += \
    app/disks/lm_arrange.c \
    app/disks/lm_load.c \
    app/disks/lm_place.c \
    app/disks/lm_read.c \
    app/disks/lm_region.c \
    app/disks/lm_remote.c \
    app/disks/lm_stated.c \
    app/disks/lm_walk.c

ENGINE_LM += \
    disk/exfat.c \
    disk/ext4.c \
    disk/fat.c \
    disk/fs.c \
    disk/parts.c \
    disk/probe.c \
    disk/reader.c
SMALL += disk/%

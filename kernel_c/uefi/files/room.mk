UEFI += \
    uefi/files/http.c \
    uefi/files/server.c \
    uefi/files/stick_files.c \
    uefi/files/tftp.c \
    uefi/files/volume.c

UEFI += \
    loader/menu.c \
    loader/menu_file.c \
    loader/menu_rows.c \
    loader/progress.c

/* The boot menu, and the files of the medium or the server from which the firmware started the program. */
#ifndef KGPT_UEFI_STICK_H
#define KGPT_UEFI_STICK_H

#include "boot_offer.h"
#include "kgpt/error.h"
#include "kgpt/pixels.h"
#include "kgpt/sha256.h"
#include "loader.h"
#include "loader/menu.h"

#define KG_STICK_CHUNK (UINT64_C(1) << 20)
#define KG_STICK_PATH_MAX 256
#define KG_STICK_FILES_MAX 4096
#define KG_STICK_OUTPUTS_MAX 4
#define KG_STICK_TEXT_MAX (UINT64_C(1) << 20)
#define KG_DEVICE_PATH_MAX 1024
#define KG_STICK_ESCAPE 27 /* of kg_stick_key */

struct kg_stick;

#define KG_MENU_PICTURE_COLUMNS 480

/* The menu in pixels. */
struct kg_menu_picture {
    struct kg_pixels pixels;
    uint32_t columns, rows; /* with the status line, the last row */
    uint32_t *cells;        /* what the screen shows */
};

/* A file that is being read. */
struct kg_stick_read {
    struct kg_stick *stick;
    struct kg_text path;
    uint8_t *to; /* where the next byte goes */
    uint64_t done, total, began, drawn;
    bool shown; /* progress is drawn, and Esc stops */
    struct kg_sha256 hash;
};

/* Where files come from. `path` has slashes, begins with one, and is not NUL-terminated. size and fetch return NULL, or
 * why the file cannot be read; if there is no such file, stick->absent is true then. */
struct kg_source {
    const char *where; /* for messages: the stick, the server */
    const char *hint;
    const char *(*size)(struct kg_stick *stick, struct kg_text path, uint64_t *size);
    /* Gives the file's bytes to kg_stick_take, in their order. */
    const char *(*fetch)(struct kg_stick *stick, struct kg_text path, struct kg_stick_read *read);
};

/* A server, and the connection to it. */
struct kg_server {
    struct kg_efi_service_binding *service;
    char url[512]; /* of the program's folder; its path, for TFTP */
    size_t url_n;
    bool rooted;    /* TFTP: paths on the server begin with a slash */
    char host[128]; /* HTTP */
    struct kg_boot_offer offer;
    struct kg_efi_http_ipv4 address; /* of this machine, as its firmware has booted with it */
    kg_efi_handle child;
    struct kg_efi_http *http;
    kg_efi_event event, timer;
    struct kg_text asked; /* the file that is waited for */
    uint64_t heard, told; /* when it last said something, in ticks; how many seconds of silence the screen shows */
};

/* Memory of the menu; one object, since the program has no variables. */
struct kg_stick {
    struct kg_uefi *u;
    const char *name; /* of the program, for titles */
    const struct kg_source *source;
    bool absent;
    struct kg_efi_file *root; /* of the medium; NULL for a server */
    struct kg_server server;
    uint8_t *chunk; /* KG_STICK_CHUNK bytes below 4 GiB: some firmware reads only there */
    uint64_t ticks_per_ms;
    size_t columns, rows;                                     /* of the menu: what fits each of its outputs */
    struct kg_efi_text_output *outputs[KG_STICK_OUTPUTS_MAX]; /* in text */
    size_t n_outputs;
    bool has_picture, cleared, drawing; /* drawing: a row is not complete */
    struct kg_menu_picture picture;
    struct kg_menu menu;
    struct kg_menu_view view;
    struct kg_error error;
    char line[KG_BOOT_CMDLINE_SIZE + 64]; /* a module's text, or load options */
    uint16_t options[KG_BOOT_CMDLINE_SIZE + 64];
};

#endif

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
    kg_efi_event event;
};

/* Memory of the menu; one object, since the program has no variables. */
struct kg_stick {
    struct kg_uefi *u;
    const struct kg_source *source;
    bool absent;
    struct kg_efi_file *root; /* of the medium; NULL for a server */
    struct kg_server server;
    uint8_t *chunk; /* KG_STICK_CHUNK bytes below 4 GiB: some firmware reads only there */
    uint64_t ticks_per_ms;
    size_t columns, rows;                                     /* of the menu: what fits each of its outputs */
    struct kg_efi_text_output *outputs[KG_STICK_OUTPUTS_MAX]; /* in text */
    size_t n_outputs;
    bool has_picture;
    struct kg_menu_picture picture;
    struct kg_menu menu;
    struct kg_menu_view view;
    struct kg_error error;
    char line[KG_BOOT_CMDLINE_SIZE + 64]; /* a module's text, or load options */
    uint16_t options[KG_BOOT_CMDLINE_SIZE + 64];
};

/* menu_screen.c: the menu in pixels and on serial ports, or on the firmware's text console. */
void kg_stick_clock(struct kg_stick *stick);  /* measures the ticks of a millisecond */
void kg_stick_screen(struct kg_stick *stick); /* chooses the outputs */
void kg_stick_clear(struct kg_stick *stick);
void kg_stick_row(struct kg_stick *stick, size_t row, enum kg_menu_look look, const char *text);
uint32_t kg_stick_key(struct kg_stick *stick); /* 0: none */

/* menu_picture.c. False: there is no framebuffer for it. */
bool kg_menu_picture_open(struct kg_stick *stick, struct kg_menu_picture *picture);
void kg_menu_picture_clear(struct kg_menu_picture *picture);
size_t kg_menu_picture_rows(const struct kg_menu_picture *picture); /* that a menu can have */
/* Draws a row of a menu with `rows` rows. */
void kg_menu_picture_row(struct kg_menu_picture *picture, size_t row, size_t rows, enum kg_menu_look look,
                         const char *text);

/* stick_files.c. Errors are in stick->error. */
extern const char kg_stick_stopped[]; /* why a file is not read: somebody has pressed Esc */
/* Loads a small text file into memory that stays; `text->data` is NULL if there is none. */
enum kg_status kg_stick_text(struct kg_stick *stick, struct kg_text path, struct kg_text *text);
/* Loads a whole file into memory from kg_uefi_pages. */
enum kg_status kg_stick_whole(struct kg_stick *stick, struct kg_text path, uint64_t *base, uint64_t *size);
/* Reads the module's file with progress, compares its SHA-256, and adds it to the boot's modules. */
enum kg_status kg_stick_module(struct kg_stick *stick, const struct kg_menu_module *module, size_t number, size_t all);
/* Takes the next bytes of a file. Returns NULL, or why it wants no more. */
const char *kg_stick_take(struct kg_stick_read *read, const uint8_t *bytes, uint64_t n);
void kg_stick_give_back(struct kg_stick *stick, uint64_t base, uint64_t size); /* memory of kg_uefi_pages */

/* volume.c: files of the medium. False if the program does not come from one. */
bool kg_stick_open_volume(struct kg_stick *stick);
/* The path of the next file in `folder` that ends in .menu. False: there are no more. */
bool kg_stick_next_menu(struct kg_stick *stick, struct kg_efi_file *folder, char path[KG_STICK_PATH_MAX]);
struct kg_efi_file *kg_stick_open(struct kg_stick *stick, struct kg_text path); /* NULL: none */

/* http.c, tftp.c: files of the server that the program came from by HTTP boot, or by PXE. False if it did not. */
bool kg_stick_open_server(struct kg_stick *stick);
bool kg_stick_open_tftp(struct kg_stick *stick);

/* server.c. Why a file of a server is not read. */
extern const char kg_server_silent[], kg_server_broken[], kg_server_unsized[], kg_server_unwilling[];
extern const char kg_server_longer[], kg_server_no_card[], kg_server_hint[];
/* Why the wait for a server that is silent since `begin` ends. NULL: it goes on. */
const char *kg_server_patience(struct kg_stick *stick, uint64_t begin);
/* The bytes of the path or URL of a program that are its folder: without the program's name, and without /EFI/BOOT
 * before it, as on a stick. */
size_t kg_server_folder(const char *program, size_t n);
/* Finds the service that makes connections over the card with this device path. */
bool kg_server_find(struct kg_stick *stick, void *path, const struct kg_efi_guid *guid);
/* Makes a connection with an event; NULL: the firmware refuses. It is closed in any case. */
void *kg_server_open(struct kg_stick *stick, const struct kg_efi_guid *guid);
void kg_server_close(struct kg_stick *stick);

/* device_path.c. The bytes of a device path without its end; 0: it is NULL, or larger than half of
 * KG_DEVICE_PATH_MAX. */
size_t kg_device_path_size(const uint8_t *path);
/* The first node of this kind. NULL: none. */
const uint8_t *kg_device_path_node(const uint8_t *path, uint8_t type, uint8_t subtype);
/* UTF-8 to UTF-16 with a final 0. `slashes`: / becomes \. Returns the units without the 0. */
size_t kg_stick_utf16(struct kg_text text, uint16_t *out, size_t room, bool slashes);
/* Copies `device`, with a node for a file behind it. False if it does not fit. */
bool kg_device_path_of_file(const uint8_t *device, struct kg_text file, uint8_t path[KG_DEVICE_PATH_MAX]);

/* picture_mode.c. Sets the mode of the screen for the kernel, and describes it in u->handover. */
void kg_stick_picture(struct kg_uefi *u, bool safe);

/* boot_menu.c. Shows the menu of the medium or server, and loads the chosen entry's modules and words into
 * u->handover. Returns at once, and changes nothing, if there is no menu. Another kernel's entry starts that program
 * and does not return. */
void kg_uefi_boot_menu(struct kg_uefi *u);

/* menu_program.c. Starts the program of an entry. It reads the same menu, finds the entry by its load options, and
 * loads the entry's modules. Returns an error. */
enum kg_status kg_stick_start_program(struct kg_stick *stick, const struct kg_menu_entry *entry);
/* The entry that the load options name, and its words in view.words; NULL if they name none. */
const struct kg_menu_entry *kg_stick_named_entry(struct kg_stick *stick);

#endif

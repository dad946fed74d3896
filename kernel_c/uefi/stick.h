/* The boot menu and the files of the medium from which the firmware started the program. */
#ifndef KGPT_UEFI_STICK_H
#define KGPT_UEFI_STICK_H

#include "kgpt/error.h"
#include "loader.h"
#include "loader/menu.h"

#define KG_STICK_CHUNK (UINT64_C(1) << 20)
#define KG_STICK_PATH_MAX 256
#define KG_STICK_FILES_MAX 4096

/* Memory of the menu; one object, since the program has no variables. */
struct kg_stick {
    struct kg_uefi *u;
    struct kg_efi_file *root;
    uint8_t *chunk; /* KG_STICK_CHUNK bytes below 4 GiB: some firmware reads only there */
    uint64_t ticks_per_ms;
    size_t columns, rows; /* of the firmware's text console */
    struct kg_menu menu;
    struct kg_menu_view view;
    struct kg_error error;
    char line[KG_BOOT_CMDLINE_SIZE + 64]; /* a module's text, or load options */
    uint16_t options[KG_BOOT_CMDLINE_SIZE + 64];
};

/* menu_screen.c: the firmware's text console. */
void kg_stick_console(struct kg_stick *stick);
void kg_stick_clear(struct kg_stick *stick);
void kg_stick_row(struct kg_stick *stick, size_t row, enum kg_menu_look look, const char *text);
uint32_t kg_stick_key(struct kg_stick *stick); /* 0: none */
uint64_t kg_stick_ticks(void);

/* stick_files.c. `path` has slashes, and is not NUL-terminated. Errors are in stick->error. */
struct kg_efi_file *kg_stick_open(struct kg_stick *stick, struct kg_text path, uint64_t *size);
/* Loads a small text file into memory that stays; `text->data` is NULL if there is none. */
enum kg_status kg_stick_text(struct kg_stick *stick, const char *path, struct kg_text *text);
/* Reads the module's file with progress, compares its SHA-256, and adds it to the boot's modules. */
enum kg_status kg_stick_module(struct kg_stick *stick, const struct kg_menu_module *module, size_t number, size_t all);
/* UTF-8 to UTF-16 with a final 0. `slashes`: / becomes \. Returns the units without the 0. */
size_t kg_stick_utf16(struct kg_text text, uint16_t *out, size_t room, bool slashes);

/* picture_mode.c. Sets the mode of the screen for the kernel, and describes it in u->handover. */
void kg_stick_picture(struct kg_uefi *u, bool safe);

/* boot_menu.c. Shows the menu of the medium, and loads the chosen entry's modules and words into u->handover. Returns
 * at once, and changes nothing, if the medium has no menu. Another kernel's entry starts that program and does not
 * return. */
void kg_uefi_boot_menu(struct kg_uefi *u);

#endif

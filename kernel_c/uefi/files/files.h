/* Files of the medium or the server from which the firmware started the program. */
#ifndef KGPT_UEFI_FILES_H
#define KGPT_UEFI_FILES_H

#include "uefi/stick.h"

/* stick_files.c. Errors are in stick->error. */
extern const char kg_stick_stopped[]; /* why a file is not read: somebody has pressed Esc */
/* Loads a small text file into memory that stays; `text->data` is NULL if there is none. */
enum kg_status kg_stick_text(struct kg_stick *stick, struct kg_text path, struct kg_text *text);
/* Loads a whole file into memory from kg_uefi_pages; `shown`: with progress, on a screen of its own. */
enum kg_status kg_stick_whole(struct kg_stick *stick, struct kg_text path, bool shown, uint64_t *base, uint64_t *size);
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

#endif

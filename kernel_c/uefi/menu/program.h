/* Entries of the boot menu that start another program. */
#ifndef KGPT_UEFI_PROGRAM_H
#define KGPT_UEFI_PROGRAM_H

#include "uefi/stick.h"

/* menu_program.c. Starts the program of an entry. It reads the same menu, finds the entry by its load options, and
 * loads the entry's modules. Returns an error. */
enum kg_status kg_stick_start_program(struct kg_stick *stick, const struct kg_menu_entry *entry);
/* The entry that the load options name, and its words in view.words; NULL if they name none. */
const struct kg_menu_entry *kg_stick_named_entry(struct kg_stick *stick);

#endif

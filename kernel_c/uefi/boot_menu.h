/* The contract between the start of the UEFI application and its boot menu. */
#ifndef KGPT_UEFI_BOOT_MENU_H
#define KGPT_UEFI_BOOT_MENU_H

#include "loader.h"

/* boot_menu.c. Shows the menu of the medium or server, and loads the chosen entry's modules and words into
 * u->handover. Returns at once, and changes nothing, if there is no menu. Another kernel's entry starts that program
 * and does not return. */
void kg_uefi_boot_menu(struct kg_uefi *u);

#endif

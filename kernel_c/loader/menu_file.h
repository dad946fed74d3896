/* The menu file of a stick, as text: kgpt/menu.cfg, which kgpt image writes from the same rows as GRUB's menu, and
 * models/NAME.menu, which kgpt image add writes. docs/images.md describes the format. */
#ifndef KGPT_LOADER_MENU_FILE_H
#define KGPT_LOADER_MENU_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"
#include "kgpt/str.h"

#define KG_MENU_ENTRIES_MAX 128
#define KG_MENU_MODULES_MAX 512
#define KG_MENU_WORDS_MAX 4095 /* bytes of a kernel's command line */
#define KG_MENU_WAITS (-1)
#define KG_MENU_TIMEOUT_MAX 3600

/* A file that the kernel gets: the path on the stick, and the text that the kernel gets with it (name and words). */
struct kg_menu_module {
    struct kg_text path, words;
};

struct kg_menu_entry {
    struct kg_text id, title, kernel, words;
    size_t first_module, n_modules; /* in kg_menu.modules */
};

/* All texts point into the texts that were parsed. */
struct kg_menu {
    int timeout;           /* seconds; 0 starts at once, KG_MENU_WAITS waits for a key */
    struct kg_text chosen; /* the entry that starts by itself; empty: the first */
    size_t n_entries, n_modules;
    struct kg_menu_entry entries[KG_MENU_ENTRIES_MAX];
    struct kg_menu_module modules[KG_MENU_MODULES_MAX];
};

void kg_menu_begin(struct kg_menu *menu);

/* Appends the entries of a file. An error names the file and the line; the menu then has the entries above it. */
enum kg_status kg_menu_parse(struct kg_menu *menu, const char *file, const char *text, size_t n,
                             struct kg_error *error);

/* The index of the entry with this id; n_entries if there is none. */
size_t kg_menu_find(const struct kg_menu *menu, struct kg_text id);

#endif

/* The boot menu of kgpt.efi without firmware, for ctypes. */
#include "kgpt/mem.h"
#include "loader/menu.h"
#include "loader/progress.h"

static struct kg_menu menu;
static struct kg_menu_view view;
static struct kg_error fault;
static char row_text[KG_MENU_ROW_BYTES], progress[KG_PROGRESS_BYTES];

bool driver_parse(const char *text, size_t n, bool more);
bool driver_parse(const char *text, size_t n, bool more)
{
    if (!more) {
        kg_menu_begin(&menu);
    }
    return kg_menu_parse(&menu, "menu.cfg", text, n, &fault) == KG_OK;
}

const char *driver_fault(void);
const char *driver_fault(void)
{
    return fault.message;
}

int driver_timeout(void);
int driver_timeout(void)
{
    return menu.timeout;
}

size_t driver_entries(void);
size_t driver_entries(void)
{
    return menu.n_entries;
}

/* 0 id, 1 title, 2 kernel, 3 words; -1: modules */
const struct kg_text *driver_text(size_t entry, int which);
const struct kg_text *driver_text(size_t entry, int which)
{
    struct kg_menu_entry *e = &menu.entries[entry];
    return which == 0 ? &e->id : which == 1 ? &e->title : which == 2 ? &e->kernel : &e->words;
}

size_t driver_modules(size_t entry);
size_t driver_modules(size_t entry)
{
    return menu.entries[entry].n_modules;
}

const struct kg_text *driver_module(size_t entry, size_t i, bool words);
const struct kg_text *driver_module(size_t entry, size_t i, bool words)
{
    struct kg_menu_module *module = &menu.modules[menu.entries[entry].first_module + i];
    return words ? &module->words : &module->path;
}

void driver_open(size_t columns, size_t rows);
void driver_open(size_t columns, size_t rows)
{
    kg_menu_view_begin(&view, &menu, "kgpt 1.2", columns, rows);
}

int driver_press(uint32_t key);
int driver_press(uint32_t key)
{
    return (int)kg_menu_press(&view, key);
}

int driver_pass(int milliseconds);
int driver_pass(int milliseconds)
{
    return (int)kg_menu_pass(&view, milliseconds);
}

size_t driver_chosen(void);
size_t driver_chosen(void)
{
    return view.chosen;
}

const char *driver_words(void);
const char *driver_words(void)
{
    return view.words;
}

const char *driver_row(size_t row);
const char *driver_row(size_t row)
{
    kg_menu_row(&view, row, row_text);
    return row_text;
}

int driver_look(size_t row);
int driver_look(size_t row)
{
    return (int)kg_menu_row(&view, row, row_text);
}

const char *driver_progress(uint64_t done, uint64_t total, uint64_t milliseconds, size_t columns);
const char *driver_progress(uint64_t done, uint64_t total, uint64_t milliseconds, size_t columns)
{
    kg_progress_text(progress, done, total, milliseconds, columns);
    return progress;
}

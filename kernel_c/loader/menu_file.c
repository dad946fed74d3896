/* Parses menu files: see menu_file.h. Each line is a keyword, a space, and the rest of the line. */
#include "menu_file.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"

#define NUMBER_MAX 12

struct menu_line {
    struct kg_text keyword, rest;
};

static bool text_is(struct kg_text text, const char *word)
{
    size_t n = kg_strlen(word);
    return text.n == n && memcmp(text.data, word, n) == 0;
}

static bool ends_menu_word(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct kg_text trimmed(struct kg_text text)
{
    while (text.n && ends_menu_word(text.data[0])) {
        text.data++;
        text.n--;
    }
    while (text.n && ends_menu_word(text.data[text.n - 1])) {
        text.n--;
    }
    return text;
}

/* The first word, and the rest without the spaces around it. */
static struct menu_line split_word(struct kg_text text)
{
    size_t n = 0;
    while (n < text.n && !ends_menu_word(text.data[n])) {
        n++;
    }
    return (struct menu_line){{text.data, n}, trimmed((struct kg_text){text.data + n, text.n - n})};
}

static bool has_control_byte(struct kg_text text)
{
    for (size_t i = 0; i < text.n; i++) {
        if ((uint8_t)text.data[i] < 0x20 && text.data[i] != '\t') {
            return true;
        }
    }
    return false;
}

static bool read_timeout(struct kg_menu *menu, struct kg_text text)
{
    char digits[NUMBER_MAX + 1];
    uint64_t value;
    if (text_is(text, "-1")) {
        menu->timeout = KG_MENU_WAITS;
        return true;
    }
    if (text.n > NUMBER_MAX) {
        return false;
    }
    memcpy(digits, text.data, text.n);
    digits[text.n] = '\0';
    if (!kg_parse_u64(digits, &value) || value > KG_MENU_TIMEOUT_MAX) {
        return false;
    }
    menu->timeout = (int)value;
    return true;
}

/* Each of these functions returns NULL, or what is wrong with the line. */

static const char *begin_entry(struct kg_menu *menu, struct kg_text rest)
{
    struct menu_line line = split_word(rest);
    if (!line.keyword.n) {
        return "an entry needs an id and a title";
    }
    if (menu->n_entries == KG_MENU_ENTRIES_MAX) {
        return "the menu has more than 128 entries";
    }
    menu->entries[menu->n_entries++] = (struct kg_menu_entry){.id = line.keyword,
                                                              .title = line.rest.n ? line.rest : line.keyword,
                                                              .words = {rest.data, 0},
                                                              .first_module = menu->n_modules};
    return NULL;
}

static const char *add_menu_module(struct kg_menu *menu, struct kg_menu_entry *entry, struct kg_text rest)
{
    struct menu_line line = split_word(rest);
    if (!line.keyword.n) {
        return "a module needs the path of its file";
    }
    if (menu->n_modules == KG_MENU_MODULES_MAX) {
        return "the menu has more than 512 modules";
    }
    menu->modules[menu->n_modules++] = (struct kg_menu_module){line.keyword, line.rest.n ? line.rest : line.keyword};
    entry->n_modules++;
    return NULL;
}

static const char *read_entry_line(struct kg_menu *menu, struct menu_line line)
{
    struct kg_menu_entry *entry = menu->n_entries ? &menu->entries[menu->n_entries - 1] : NULL;
    bool is_kernel = text_is(line.keyword, "kernel"), is_words = text_is(line.keyword, "words");
    if (!is_kernel && !is_words && !text_is(line.keyword, "module")) {
        return "the first word is none of timeout, default, entry, kernel, words, module";
    }
    if (!entry) {
        return "the line stands before the first entry";
    }
    if (is_kernel) {
        entry->kernel = line.rest;
    } else if (is_words && line.rest.n > KG_MENU_WORDS_MAX) {
        return "the words have more than 4095 bytes";
    } else if (is_words) {
        entry->words = line.rest;
    } else {
        return add_menu_module(menu, entry, line.rest);
    }
    return NULL;
}

static const char *read_menu_line(struct kg_menu *menu, struct kg_text text)
{
    struct menu_line line = split_word(text);
    if (has_control_byte(text)) {
        return "it holds a control character";
    }
    if (text_is(line.keyword, "timeout")) {
        return read_timeout(menu, line.rest) ? NULL : "timeout wants -1, or a number of seconds up to 3600";
    }
    if (text_is(line.keyword, "default")) {
        menu->chosen = line.rest;
        return NULL;
    }
    return text_is(line.keyword, "entry") ? begin_entry(menu, line.rest) : read_entry_line(menu, line);
}

void kg_menu_begin(struct kg_menu *menu)
{
    menu->timeout = KG_MENU_WAITS;
    menu->chosen = (struct kg_text){"", 0};
    menu->n_entries = menu->n_modules = 0;
}

enum kg_status kg_menu_parse(struct kg_menu *menu, const char *file, const char *text, size_t n, struct kg_error *error)
{
    size_t number = 1;
    for (size_t at = 0; at < n; number++) {
        size_t end = at;
        while (end < n && text[end] != '\n') {
            end++;
        }
        struct kg_text line = trimmed((struct kg_text){text + at, end - at});
        const char *wrong = line.n && line.data[0] != '#' ? read_menu_line(menu, line) : NULL;
        if (wrong) {
            kg_error_set(error, KG_E_INPUT, "line %zu of %.80s: %s", number, file, wrong);
            kg_error_hint(error, "correct the file on another computer, or write the stick again");
            return KG_E_INPUT;
        }
        at = end + 1;
    }
    return KG_OK;
}

size_t kg_menu_find(const struct kg_menu *menu, struct kg_text id)
{
    size_t i = 0;
    while (i < menu->n_entries &&
           (menu->entries[i].id.n != id.n || memcmp(menu->entries[i].id.data, id.data, id.n) != 0)) {
        i++;
    }
    return i;
}

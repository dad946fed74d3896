/* The SHA-256 that a disk states of a model: see lm_stated.h. */
#include "lm_stated.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

#define MENU "/kgpt/menu.cfg"
#define MENU_MOST 65536u /* bytes */
#define DIGITS (2 * KG_SHA256_SIZE)

static int stated_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

bool kg_lm_take_hash(const char *text, size_t n, uint8_t digest[KG_SHA256_SIZE])
{
    if (n < DIGITS || (n > DIGITS && stated_digit(text[DIGITS]) >= 0)) {
        return false;
    }
    for (size_t i = 0; i < KG_SHA256_SIZE; i++) {
        int high = stated_digit(text[2 * i]), low = stated_digit(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        digest[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static bool stated_begins_with(const char *text, size_t n, const char *start)
{
    size_t length = kg_strlen(start);
    return n >= length && memcmp(text, start, length) == 0;
}

/* In `module PATH NAME sha256=…`. */
static bool stated_in_line(const char *line, size_t n, const char *path, uint8_t digest[KG_SHA256_SIZE])
{
    static const char module[] = "module ", word[] = " sha256=";
    size_t length = kg_strlen(path), at = sizeof module - 1;
    if (!stated_begins_with(line, n, module) || !stated_begins_with(line + at, n - at, path) || n <= at + length ||
        line[at + length] != ' ') {
        return false;
    }
    for (at += length; at < n; at++) {
        if (stated_begins_with(line + at, n - at, word)) {
            at += sizeof word - 1;
            return kg_lm_take_hash(line + at, n - at, digest);
        }
    }
    return false;
}

bool kg_lm_hash_in_menu(const char *menu, size_t n, const char *path, uint8_t digest[KG_SHA256_SIZE])
{
    for (size_t at = 0; at < n;) {
        size_t end = at;
        while (end < n && menu[end] != '\n' && menu[end] != '\r') {
            end++;
        }
        if (stated_in_line(menu + at, end - at, path, digest)) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

/* At most `most` bytes of a file of walk->fs, in memory of the arena; NULL: there is none. */
static const char *read_beside(struct kgpt *k, struct kg_lm_walk *walk, const char *path, size_t most, size_t *n)
{
    struct kg_fs_file file;
    if (kg_fs_find(&walk->fs, path, &walk->entries[KG_LM_WALK_DEPTH], &file) != KG_OK || file.directory) {
        return NULL;
    }
    *n = file.size < most ? (size_t)file.size : most;
    char *text = kg_arena_take(&k->arena, *n + 1);
    return text && kg_fs_read(&file, 0, *n, text) ? text : NULL;
}

bool kg_lm_stated_hash(struct kgpt *k, struct kg_lm_walk *walk, uint8_t digest[KG_SHA256_SIZE])
{
    char path[KG_LM_PATH + 8];
    size_t used = k->arena.used, n = kg_strlen(walk->path), length = 0;
    memcpy(path, walk->path, n);
    memcpy(path + n, ".sha256", 8);
    const char *text = read_beside(k, walk, path, DIGITS + 1, &length);
    bool found = text && kg_lm_take_hash(text, length, digest);
    if (!found && !text) {
        text = read_beside(k, walk, MENU, MENU_MOST, &length);
        found = text && kg_lm_hash_in_menu(text, length, walk->path, digest);
    }
    kg_arena_rewind(&k->arena, used);
    return found;
}

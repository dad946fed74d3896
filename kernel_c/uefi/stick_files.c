/* Files of the medium, by Simple File System: see stick.h. */
#include "stick.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/sha256.h"
#include "kgpt/utf8.h"
#include "loader/progress.h"

#define DIGITS (2 * KG_SHA256_SIZE)
#define DRAW_EVERY 200 /* ms */
#define TEXT_FILE_MAX (UINT64_C(1) << 20)
#define ESCAPE 27

/* A module that is being read. */
struct stick_read {
    struct kg_stick *stick;
    struct kg_text path;
    uint8_t *to; /* where the next byte goes */
    uint64_t done, total, began, drawn;
    struct kg_sha256 hash;
};

size_t kg_stick_utf16(struct kg_text text, uint16_t *out, size_t room, bool slashes)
{
    size_t n = 0, length;
    for (size_t at = 0; at < text.n && n + 3 <= room; at += length ? length : 1) {
        length = kg_utf8_length(text.data + at, text.n - at);
        uint32_t code = length ? kg_utf8_code(text.data + at, length) : '?';
        if (code > 0xFFFF) {
            out[n++] = (uint16_t)(0xD7C0 + (code >> 10));
            code = 0xDC00 | (code & 0x3FF);
        }
        out[n++] = (uint16_t)(slashes && code == '/' ? '\\' : code);
    }
    out[n] = 0;
    return n;
}

static const char *reason_of(kg_efi_status status)
{
    switch (status) {
    case KG_EFI_NOT_FOUND: return "it is not on the stick";
    case KG_EFI_DEVICE_ERROR: return "the stick cannot be read there";
    case KG_EFI_VOLUME_CORRUPTED: return "the file system is damaged";
    case KG_EFI_NO_MEDIA:
    case KG_EFI_MEDIA_CHANGED: return "the stick was pulled out";
    default: return "the firmware could not read it";
    }
}

static enum kg_status refuse_file(struct kg_stick *stick, struct kg_text path, const char *why, const char *hint)
{
    kg_error_set(&stick->error, KG_E_INPUT, "%.*s: %s", (int)(path.n < 100 ? path.n : 100), path.data, why);
    kg_error_hint(&stick->error, "%s", hint);
    return KG_E_INPUT;
}

struct kg_efi_file *kg_stick_open(struct kg_stick *stick, struct kg_text path, uint64_t *size)
{
    static const struct kg_efi_guid guid = KG_EFI_FILE_INFO_GUID;
    static const char hint[] = "put the file there, or write the stick again";
    uint16_t name[KG_STICK_PATH_MAX];
    struct kg_efi_file *file = NULL;
    uint64_t room = KG_STICK_CHUNK;
    kg_stick_utf16(path, name, KG_STICK_PATH_MAX, true);
    kg_efi_status status = stick->root->open(stick->root, &file, name, KG_EFI_FILE_READ, 0);
    if (kg_efi_failed(status)) {
        refuse_file(stick, path, reason_of(status), hint);
        return NULL;
    }
    status = file->get_info(file, &guid, &room, stick->chunk);
    const struct kg_efi_file_info *info = (const struct kg_efi_file_info *)(const void *)stick->chunk;
    if (kg_efi_failed(status) || (info->attributes & KG_EFI_FILE_DIRECTORY)) {
        refuse_file(stick, path, kg_efi_failed(status) ? reason_of(status) : "it is a folder", hint);
        file->close(file);
        return NULL;
    }
    *size = info->file_size;
    return file;
}

enum kg_status kg_stick_text(struct kg_stick *stick, const char *path, struct kg_text *text)
{
    struct kg_text name = {path, kg_strlen(path)};
    uint64_t size;
    *text = (struct kg_text){NULL, 0};
    struct kg_efi_file *file = kg_stick_open(stick, name, &size);
    if (!file) {
        return KG_OK;
    }
    uint8_t *data = (uint8_t *)(size <= TEXT_FILE_MAX ? kg_uefi_pages(stick->u, size + 1, UINT64_MAX) : 0);
    uint64_t n = size < KG_STICK_CHUNK ? size : KG_STICK_CHUNK;
    kg_efi_status status = data ? file->read(file, &n, stick->chunk) : KG_EFI_OUT_OF_RESOURCES;
    file->close(file);
    if (kg_efi_failed(status) || n != size) {
        return refuse_file(stick, name, data ? "it cannot be read" : "it is too large for a menu",
                           "write the stick again");
    }
    memcpy(data, stick->chunk, n);
    *text = (struct kg_text){(const char *)data, n};
    return KG_OK;
}

/* The value of a word such as sha256=… in the text of a module; its length is 0 if there is none. */
static struct kg_text value_in(struct kg_text text, const char *key)
{
    size_t n = kg_strlen(key);
    for (size_t at = 0; at + n <= text.n; at++) {
        if ((at == 0 || text.data[at - 1] == ' ') && memcmp(text.data + at, key, n) == 0) {
            size_t end = at + n;
            while (end < text.n && text.data[end] != ' ') {
                end++;
            }
            return (struct kg_text){text.data + at + n, end - at - n};
        }
    }
    return (struct kg_text){text.data, 0};
}

static enum kg_status show_read(struct stick_read *read)
{
    struct kg_stick *stick = read->stick;
    char text[KG_PROGRESS_BYTES + 2] = "  ";
    uint64_t now = kg_stick_ticks();
    if (now - read->drawn < DRAW_EVERY * stick->ticks_per_ms && read->done < read->total) {
        return KG_OK;
    }
    read->drawn = now;
    kg_progress_text(text + 2, read->done, read->total, (now - read->began) / stick->ticks_per_ms, stick->columns - 4);
    kg_stick_row(stick, 5, KG_MENU_TITLE, text);
    if (kg_stick_key(stick) == ESCAPE) {
        kg_error_set(&stick->error, KG_E_INPUT, "reading was stopped by Esc");
        return KG_E_INPUT;
    }
    return KG_OK;
}

/* Reads one file to its end. A firmware may return less than was asked for. */
static enum kg_status read_file_to_end(struct stick_read *read, struct kg_efi_file *file, uint64_t size)
{
    struct kg_stick *stick = read->stick;
    for (uint64_t left = size; left;) {
        uint64_t n = left < KG_STICK_CHUNK ? left : KG_STICK_CHUNK;
        kg_efi_status status = file->read(file, &n, stick->chunk);
        if (kg_efi_failed(status) || n == 0 || n > left) {
            return refuse_file(stick, read->path, n == 0 ? "it ends early" : reason_of(status),
                               "write the stick again, or try another port or stick");
        }
        kg_sha256_add(&read->hash, stick->chunk, n);
        memcpy(read->to, stick->chunk, n);
        read->to += n;
        read->done += n;
        left -= n;
        if (show_read(read) != KG_OK) {
            return KG_E_INPUT;
        }
    }
    return KG_OK;
}

static enum kg_status check_hash(struct stick_read *read, struct kg_text wanted)
{
    uint8_t digest[KG_SHA256_SIZE];
    char digits[DIGITS + 1];
    kg_sha256_end(&read->hash, digest);
    for (size_t i = 0; i < KG_SHA256_SIZE; i++) {
        kg_format(digits + 2 * i, 3, "%02x", digest[i]);
    }
    if (wanted.n == 0 || (wanted.n == DIGITS && memcmp(digits, wanted.data, DIGITS) == 0)) {
        return KG_OK;
    }
    char why[120];
    kg_format(why, sizeof why, "it is damaged: its SHA-256 is %.16s..., not %.*s...", digits,
              (int)(wanted.n < 16 ? wanted.n : 16), wanted.data);
    return refuse_file(read->stick, read->path, why, "write the stick again, or try another one");
}

/* The path of part `i` of a file that FAT cannot hold in one piece: NAME.1, NAME.2 ... */
static struct kg_text part_path(struct kg_text path, uint64_t i, uint64_t parts, char text[KG_STICK_PATH_MAX])
{
    if (parts == 1) {
        return path;
    }
    size_t n = kg_format(text, KG_STICK_PATH_MAX, "%.*s.%llu", (int)(path.n < 200 ? path.n : 200), path.data,
                         (unsigned long long)i + 1);
    return (struct kg_text){text, kg_format_stored(n, KG_STICK_PATH_MAX)};
}

/* The number of files that hold the module: the word parts=N, or 1. */
static uint64_t parts_of(struct kg_text words)
{
    struct kg_text value = value_in(words, "parts=");
    char digits[4] = "";
    uint64_t parts = 1;
    memcpy(digits, value.data, value.n < sizeof digits ? value.n : 0);
    return value.n < sizeof digits && kg_parse_u64(digits, &parts) && parts ? parts : 1;
}

/* Goes through the parts: adds their sizes up, or reads them. */
static enum kg_status walk_parts(struct stick_read *read, uint64_t parts, bool reads)
{
    char text[KG_STICK_PATH_MAX];
    for (uint64_t i = 0; i < parts; i++) {
        uint64_t size;
        struct kg_efi_file *file = kg_stick_open(read->stick, part_path(read->path, i, parts, text), &size);
        if (!file) {
            return KG_E_INPUT;
        }
        read->total += reads ? 0 : size;
        enum kg_status status = reads ? read_file_to_end(read, file, size) : KG_OK;
        file->close(file);
        if (status != KG_OK) {
            return status;
        }
    }
    return KG_OK;
}

static enum kg_status add_read(struct kg_stick *stick, const struct stick_read *read, uint64_t base,
                               const struct kg_menu_module *module)
{
    struct kg_boot *boot = &stick->u->handover->boot;
    size_t n = module->words.n < sizeof stick->line - 1 ? module->words.n : sizeof stick->line - 1;
    memcpy(stick->line, module->words.data, n);
    stick->line[n] = '\0';
    kg_boot_add_module(boot, base, read->total, stick->line);
    if (boot->excess) {
        return refuse_file(stick, read->path, boot->excess, "use fewer files, or shorter words");
    }
    boot->modules[boot->n_modules - 1].checked = value_in(module->words, "sha256=").n != 0;
    return KG_OK;
}

enum kg_status kg_stick_module(struct kg_stick *stick, const struct kg_menu_module *module, size_t number, size_t all)
{
    struct stick_read read = {.stick = stick, .path = module->path, .began = kg_stick_ticks()};
    char text[120];
    uint64_t parts = parts_of(module->words);
    kg_sha256_begin(&read.hash, 0);
    enum kg_status status = walk_parts(&read, parts, false);
    if (status != KG_OK) {
        return status;
    }
    kg_format(text, sizeof text, "  Loading %.*s (%zu of %zu). Esc: back to the menu.",
              (int)(module->path.n < 60 ? module->path.n : 60), module->path.data, number, all);
    kg_stick_row(stick, 3, KG_MENU_PLAIN, text);
    uint64_t base = kg_uefi_pages(stick->u, read.total, UINT64_MAX);
    if (!base) {
        kg_format(text, sizeof text, "there is no memory for its %llu MB in one piece",
                  (unsigned long long)(read.total / 1000000 + 1));
        return refuse_file(stick, module->path, text, "take a smaller model, or a machine with more memory");
    }
    read.to = (uint8_t *)base;
    status = walk_parts(&read, parts, true);
    status = status == KG_OK ? check_hash(&read, value_in(module->words, "sha256=")) : status;
    status = status == KG_OK ? add_read(stick, &read, base, module) : status;
    if (status != KG_OK) {
        stick->u->system->boot->free_pages(base, (read.total + KG_UEFI_PAGE - 1) / KG_UEFI_PAGE);
    }
    return status;
}

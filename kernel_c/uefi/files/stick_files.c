/* Files of the medium or server: see stick.h. */
#include "files.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "loader/progress.h"
#include "uefi/processor.h"
#include "uefi/screen/screen.h"

#define DIGITS (2 * KG_SHA256_SIZE)
#define DRAW_EVERY 200 /* ms */
const char kg_stick_stopped[] = "reading was stopped by Esc";

static enum kg_status refuse_file(struct kg_stick *stick, struct kg_text path, const char *why, const char *hint)
{
    kg_error_set(&stick->error, KG_E_INPUT, "%.*s: %s", (int)(path.n < 100 ? path.n : 100), path.data, why);
    kg_error_hint(&stick->error, "%s", hint);
    return KG_E_INPUT;
}

/* The source could not tell a file's size, or not give it. */
static enum kg_status refuse_source(struct kg_stick *stick, struct kg_text path, const char *why)
{
    return refuse_file(stick, path, why, why == kg_stick_stopped ? "" : stick->source->hint);
}

void kg_stick_give_back(struct kg_stick *stick, uint64_t base, uint64_t size)
{
    stick->u->system->boot->free_pages(base, (size + KG_UEFI_PAGE - 1) / KG_UEFI_PAGE);
}

static const char *show_read(struct kg_stick_read *read)
{
    struct kg_stick *stick = read->stick;
    char text[KG_PROGRESS_BYTES + 2] = "  ";
    uint64_t now = kg_uefi_ticks();
    if (!read->shown || (now - read->drawn < DRAW_EVERY * stick->ticks_per_ms && read->done < read->total)) {
        return NULL;
    }
    read->drawn = now;
    kg_progress_text(text + 2, read->done, read->total, (now - read->began) / stick->ticks_per_ms, stick->columns - 4);
    kg_stick_row(stick, 5, KG_MENU_PROGRESS, text);
    return kg_stick_key(stick) == KG_STICK_ESCAPE ? kg_stick_stopped : NULL;
}

const char *kg_stick_take(struct kg_stick_read *read, const uint8_t *bytes, uint64_t n)
{
    if (n > read->total - read->done) {
        return "it is longer than it was said to be";
    }
    kg_sha256_add(&read->hash, bytes, n);
    if (bytes != read->to) {
        memcpy(read->to, bytes, n);
    }
    read->to += n;
    read->done += n;
    return show_read(read);
}

static enum kg_status fetch_file(struct kg_stick_read *read, struct kg_text path)
{
    struct kg_stick *stick = read->stick;
    const char *problem = stick->source->fetch(stick, path, read);
    return problem ? refuse_source(stick, path, problem) : KG_OK;
}

/* A server may tell one size, and give another file. */
static enum kg_status check_end(struct kg_stick_read *read)
{
    return read->done == read->total ? KG_OK
                                     : refuse_file(read->stick, read->path, "it ends early", read->stick->source->hint);
}

static void show_loading(struct kg_stick *stick, struct kg_text path, const char *which)
{
    char text[160];
    kg_format(text, sizeof text, "  Loading %.*s%s. Esc: back to the menu.", (int)(path.n < 60 ? path.n : 60),
              path.data, which);
    kg_stick_row(stick, 3, KG_MENU_PLAIN, text);
}

enum kg_status kg_stick_whole(struct kg_stick *stick, struct kg_text path, bool shown, uint64_t *base, uint64_t *size)
{
    if (shown) {
        kg_stick_title(stick);
        show_loading(stick, path, "");
    }
    const char *problem = stick->source->size(stick, path, size);
    if (problem) {
        return refuse_source(stick, path, problem);
    }
    *base = kg_uefi_pages(stick->u, *size + 1, UINT64_MAX);
    if (!*base) {
        return refuse_file(stick, path, "there is no memory for it", "take a machine with more memory");
    }
    struct kg_stick_read read = {
        .stick = stick, .path = path, .to = (uint8_t *)*base, .total = *size, .began = kg_uefi_ticks(), .shown = shown};
    kg_sha256_begin(&read.hash, 0);
    enum kg_status status = fetch_file(&read, path);
    status = status == KG_OK ? check_end(&read) : status;
    if (status != KG_OK) {
        kg_stick_give_back(stick, *base, *size + 1);
    }
    return status;
}

enum kg_status kg_stick_text(struct kg_stick *stick, struct kg_text path, struct kg_text *text)
{
    uint64_t base, size;
    *text = (struct kg_text){NULL, 0};
    stick->absent = false;
    enum kg_status status = kg_stick_whole(stick, path, false, &base, &size);
    if (status != KG_OK) {
        return stick->absent ? KG_OK : status;
    }
    if (size > KG_STICK_TEXT_MAX) {
        kg_stick_give_back(stick, base, size + 1);
        return refuse_file(stick, path, "it is too large for a menu", stick->source->hint);
    }
    *text = (struct kg_text){(const char *)base, size};
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

static enum kg_status check_hash(struct kg_stick_read *read, struct kg_text wanted)
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
    return refuse_file(read->stick, read->path, why, read->stick->source->hint);
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
static enum kg_status walk_parts(struct kg_stick_read *read, uint64_t parts, bool reads)
{
    struct kg_stick *stick = read->stick;
    char text[KG_STICK_PATH_MAX];
    enum kg_status status = KG_OK;
    for (uint64_t i = 0; status == KG_OK && i < parts; i++) {
        uint64_t size = 0;
        struct kg_text path = part_path(read->path, i, parts, text);
        const char *problem = reads ? NULL : stick->source->size(stick, path, &size);
        read->total += size;
        if (problem) {
            return refuse_source(stick, path, problem);
        }
        status = reads ? fetch_file(read, path) : KG_OK;
    }
    return reads && status == KG_OK ? check_end(read) : status;
}

static enum kg_status add_read(struct kg_stick *stick, const struct kg_stick_read *read, uint64_t base,
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
    struct kg_stick_read read = {.stick = stick, .path = module->path, .began = kg_uefi_ticks(), .shown = true};
    char text[120];
    uint64_t parts = parts_of(module->words);
    kg_sha256_begin(&read.hash, 0);
    kg_format(text, sizeof text, " (%zu of %zu)", number, all);
    show_loading(stick, module->path, text);
    enum kg_status status = walk_parts(&read, parts, false);
    if (status != KG_OK) {
        return status;
    }
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
        kg_stick_give_back(stick, base, read.total);
    }
    return status;
}

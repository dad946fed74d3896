/* Checks boot modules: see module.h. */
#include "module.h"

#include "app/cmdline/words.h"
#include "app/events/print.h"
#include "app/events/statusline.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define DIGITS (2 * KG_SHA256_SIZE)

/* Writes the digest in lower-case hexadecimal. */
static void to_digits(const uint8_t digest[KG_SHA256_SIZE], char digits[DIGITS + 1])
{
    for (size_t i = 0; i < KG_SHA256_SIZE; i++) {
        kg_format(digits + 2 * i, 3, "%02x", digest[i]);
    }
}

static void from_digits(const char *digits, uint8_t digest[KG_SHA256_SIZE])
{
    for (size_t i = 0; i < DIGITS; i++) {
        uint8_t digit = (uint8_t)(digits[i] <= '9' ? digits[i] - '0' : digits[i] - 'a' + 10);
        digest[i / 2] = (uint8_t)(digest[i / 2] << 4 | digit);
    }
}

static bool is_digest(const char *text)
{
    size_t n = 0;
    while ((text[n] >= '0' && text[n] <= '9') || (text[n] >= 'a' && text[n] <= 'f')) {
        n++;
    }
    return n == DIGITS && (text[n] == ' ' || text[n] == '\0');
}

static uint64_t milliseconds_since(uint64_t ticks)
{
    uint64_t hz = plat_ticks_hz();
    return hz < 1000 ? 0 : (plat_ticks() - ticks) / (hz / 1000);
}

const char *kg_module_base(const char *path)
{
    const char *base = path;
    for (; *path; path++) {
        base = *path == '/' && path[1] ? path + 1 : base;
    }
    return base;
}

/* A file whose SHA-256 is being computed. */
struct check {
    struct kgpt *k;
    const struct kg_file *file;
};

static void show_progress(void *context, size_t done)
{
    struct check *check = context;
    size_t percent = done * 100 / check->file->size;
    char text[24];
    if (kg_statusline_due(check->k)) {
        plat_notice(text, kg_format(text, sizeof text, "%zu %%", percent));
        kg_statusline(check->k, "checking %.24s, %zu %%", kg_module_base(check->file->name), percent);
    }
}

enum kg_status kg_module_check(struct kgpt *k, const struct kg_file *file, uint8_t digest[KG_SHA256_SIZE], bool *known,
                               struct kg_error *error)
{
    char digits[DIGITS + 1];
    const char *expected = kg_word_value(file->words, "sha256=");
    *known = expected != NULL;
    if (!expected) {
        return KG_OK;
    }
    if (!is_digest(expected)) {
        kg_error_set(error, KG_E_INPUT, "the words of the boot module \"%.80s\" have no whole SHA-256", file->name);
        kg_error_hint(error, "write sha256= and 64 hexadecimal digits in lower case, or leave it out");
        return KG_E_INPUT;
    }
    if (file->checked) {
        from_digits(expected, digest);
        kg_print("kgpt: %.80s: %s, SHA-256 as expected (checked while it was read)\n", file->name,
                 kg_amount(file->size).text);
        return KG_OK;
    }
    uint64_t start = plat_ticks();
    uint32_t features = k->config.cpumask == KG_ISA_C ? 0 : k->info->cpu->features;
    struct check check = {k, file};
    kg_print("kgpt: %.80s: %s, SHA-256 ", file->name,
             kg_amount(file->size).text); /* first, because the hash may take a while */
    kg_sha256_telling(file->data, file->size, features, digest, show_progress, &check);
    to_digits(digest, digits);
    if (memcmp(digits, expected, DIGITS) != 0) {
        kg_print("differs\n");
        kg_error_set(error, KG_E_INPUT, "the boot module \"%.80s\" is damaged: its SHA-256 is %.16s…, not %.16s…",
                     file->name, digits, expected);
        kg_error_hint(error, "write the medium again, or try another one");
        return KG_E_INPUT;
    }
    kg_print("as expected (%lu ms)\n", (unsigned long)milliseconds_since(start));
    return KG_OK;
}

enum kg_status kg_modules_check(struct kgpt *k, struct kg_error *error)
{
    uint8_t digest[KG_SHA256_SIZE];
    bool known;
    enum kg_status status = KG_OK;
    for (size_t i = 0; i < k->info->n_files && status == KG_OK; i++) {
        status = kg_module_check(k, &k->info->files[i], digest, &known, error);
    }
    return status;
}

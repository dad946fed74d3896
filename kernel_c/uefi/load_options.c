/* Load options: the words behind the file's name in the UEFI shell, or those of a boot entry. They are UTF-16, but
 * some firmware leaves out the final 0, puts the file's name first (the shell does), or passes binary data. */
#include "loader.h"

struct writer {
    char *text;
    size_t size, n;
    bool fits;
};

static void write_byte(struct writer *w, uint32_t byte)
{
    w->fits = w->fits && w->n + 1 < w->size;
    if (w->fits) {
        w->text[w->n++] = (char)byte;
    }
}

static void write_utf8(struct writer *w, uint32_t c)
{
    if (c < 0x80) {
        write_byte(w, c);
    } else if (c < 0x800) {
        write_byte(w, 0xC0 | c >> 6);
        write_byte(w, 0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        write_byte(w, 0xE0 | c >> 12);
        write_byte(w, 0x80 | (c >> 6 & 0x3F));
        write_byte(w, 0x80 | (c & 0x3F));
    } else {
        write_byte(w, 0xF0 | c >> 18);
        write_byte(w, 0x80 | (c >> 12 & 0x3F));
        write_byte(w, 0x80 | (c >> 6 & 0x3F));
        write_byte(w, 0x80 | (c & 0x3F));
    }
}

/* Load options need not be aligned. */
static uint32_t unit_at(const uint8_t *bytes, size_t i)
{
    return bytes[2 * i] | (uint32_t)bytes[2 * i + 1] << 8;
}

/* True for a control character, a lone half of a pair, or U+FFFE and U+FFFF: then the data is no text. */
static bool is_no_text(uint32_t c)
{
    return c < 0x20 || c == 0x7F || (c >= 0xD800 && c < 0xE000) || c == 0xFFFE || c == 0xFFFF;
}

/* The character at *i, which moves behind it. */
static uint32_t next_character(const uint8_t *bytes, size_t n, size_t *i)
{
    uint32_t c = unit_at(bytes, (*i)++);
    uint32_t low = *i < n ? unit_at(bytes, *i) : 0;
    if (c >= 0xD800 && c < 0xDC00 && low >= 0xDC00 && low < 0xE000) {
        (*i)++;
        return 0x10000 + ((c & 0x3FF) << 10) + (low & 0x3FF);
    }
    return c;
}

static bool ends_with_efi(const char *text, size_t n)
{
    static const char end[] = ".efi";
    size_t same = 0;
    while (n >= sizeof end - 1 && same < sizeof end - 1 &&
           ((uint8_t)text[n - (sizeof end - 1) + same] | (same ? 0x20 : 0)) == (uint8_t)end[same]) {
        same++;
    }
    return same == sizeof end - 1;
}

/* Removes a first word that ends in .efi: the name of this file. */
static void drop_file_name(struct writer *w)
{
    size_t end = 0, to = 0;
    while (end < w->n && w->text[end] != ' ') {
        end++;
    }
    if (!ends_with_efi(w->text, end)) {
        return;
    }
    while (end < w->n) {
        w->text[to++] = w->text[end++];
    }
    w->n = to;
}

bool kg_uefi_options(const struct kg_efi_loaded_image *loaded, char *text, size_t size)
{
    struct writer w = {text, size, 0, true};
    const uint8_t *bytes = loaded->load_options;
    size_t n = bytes ? loaded->load_options_size / 2 : 0;
    bool is_text = n > 0 && unit_at(bytes, 0) < 0x80; /* all words are ASCII at first; a GUID is hardly */
    for (size_t i = 0; is_text && i < n && unit_at(bytes, i) != 0;) {
        uint32_t c = next_character(bytes, n, &i);
        if (is_no_text(c)) {
            w.n = 0;
            w.fits = true;
            break;
        }
        write_utf8(&w, c);
    }
    drop_file_name(&w);
    text[w.n] = '\0';
    return w.fits;
}

/* Output to a terminal or pipe: see kgpt/writer.h. */
#include "kgpt/writer.h"

#include "kgpt/format.h"
#include "kgpt/utf8.h"

#define TAB 8
#define WIDE_FROM 0x1F300u /* emoji and rare ideographs: wide from here on */

/* SGR sequences by voice: colours of kgpt/palette.h. A terminal's background may be light or dark, so the model's
 * text is white on the kernel's own screen only. */
static const char plain_colour[] = "\x1b[m";
static const char *const colours[] = {
    [KG_VOICE_KERNEL] = plain_colour, [KG_VOICE_MODEL] = "\x1b[97m", [KG_VOICE_USER] = "\x1b[36m",
    [KG_VOICE_DIM] = "\x1b[90m",      [KG_VOICE_ERROR] = "\x1b[91m",
};

static const char *colour_of(const struct kg_writer *w, uint32_t voice)
{
    return !w->is_screen && voice == KG_VOICE_MODEL ? plain_colour : colours[voice];
}

struct range {
    uint16_t first, last;
};

/* East Asian Width W and F (Unicode 15.1, UAX #11) below WIDE_FROM; small gaps are closed. */
static const struct range wide[] = {
    {0x1100, 0x115F}, {0x231A, 0x231B}, {0x23E9, 0x23F3}, {0x2E80, 0x303E}, {0x3041, 0xA4CF}, {0xA960, 0xA97C},
    {0xAC00, 0xD7A3}, {0xF900, 0xFAFF}, {0xFE30, 0xFE6B}, {0xFF01, 0xFF60}, {0xFFE0, 0xFFE6},
};
/* Zero width: combining marks, joiners and variation selectors. */
static const struct range marks[] = {
    {0x0300, 0x036F}, {0x0483, 0x0489}, {0x0591, 0x05BD}, {0x064B, 0x065F},
    {0x200B, 0x200D}, {0x20D0, 0x20F0}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF},
};
/* Control characters: C0, DEL, C1, and bidirectional controls. */
static const struct range steering[] = {
    {0x00, 0x1F}, {0x7F, 0x9F}, {0x200E, 0x200F}, {0x202A, 0x202E}, {0x2066, 0x2069},
};
#define IN(ranges, code) is_in(ranges, sizeof(ranges) / sizeof(ranges)[0], code)

static bool is_in(const struct range *ranges, size_t n, uint32_t code)
{
    while (n > 0 && ranges[n - 1].first > code) {
        n--;
    }
    return n > 0 && code <= ranges[n - 1].last;
}

static void flush_word(struct kg_writer *w)
{
    size_t n = w->out_n;
    w->out_n = 0;
    if (n) {
        w->write(w->out, n);
    }
}

static void emit_byte(struct kg_writer *w, char byte)
{
    w->out[w->out_n++] = byte;
    if (w->out_n == sizeof w->out) {
        flush_word(w);
    }
}

static void emit_text(struct kg_writer *w, const char *text)
{
    while (*text) {
        emit_byte(w, *text++);
    }
}

/* Erases the last `n` columns with backspaces, which every terminal supports. */
static void erase_cells(struct kg_writer *w, uint32_t n)
{
    for (const char *byte = "\b \b"; *byte; byte++) {
        for (uint32_t i = 0; i < n; i++) {
            emit_byte(w, *byte);
        }
    }
}

static void end_word(struct kg_writer *w)
{
    w->word_n = w->word_width = 0;
}

static void next_line(struct kg_writer *w, bool broken)
{
    emit_byte(w, '\n');
    w->column = 0;
    w->broken = broken;
}

/* True if `width` more columns do not fit. The last column stays free, because terminals wrap differently there. */
static bool is_past(const struct kg_writer *w, uint32_t width)
{
    return w->columns && w->column + width > w->columns - 1;
}

/* Wraps: moves the current word to the next line, unless the word fills the whole line. */
static void move_word(struct kg_writer *w)
{
    if (w->word_n <= sizeof w->word && w->word_width < w->column) {
        erase_cells(w, w->word_width);
    } else {
        end_word(w);
    }
    next_line(w, true);
    for (size_t i = 0; i < w->word_n; i++) {
        emit_byte(w, w->word[i]);
    }
    w->column = w->word_width;
}

/* Writes a character of a word. */
static void put_cells(struct kg_writer *w, const char *bytes, size_t n, uint32_t width)
{
    if (is_past(w, width)) {
        move_word(w);
    }
    for (size_t i = 0; i < n; i++) {
        emit_byte(w, bytes[i]);
        if (w->word_n < sizeof w->word) {
            w->word[w->word_n] = bytes[i];
        }
        w->word_n++;
    }
    w->word_width += width;
    w->column += width;
    w->broken = false;
}

static void put_space(struct kg_writer *w, char space)
{
    uint32_t width = space == '\t' ? TAB - w->column % TAB : 1;
    end_word(w);
    if (is_past(w, width)) {
        next_line(w, true);
    } else if (!w->broken) {
        emit_byte(w, space);
        w->column += width;
    }
}

static void put_visibly(struct kg_writer *w, uint32_t code)
{
    char text[8];
    kg_format(text, sizeof text, code < 0x100 ? "\\x%02x" : "\\u%04x", code);
    for (const char *byte = text; *byte; byte++) {
        put_cells(w, byte, 1, 1);
    }
}

static void put_code(struct kg_writer *w, uint32_t code)
{
    char bytes[4];
    bool is_wide = code >= WIDE_FROM || IN(wide, code);
    if (w->returned && code != '\n') {
        put_visibly(w, '\r');
    }
    w->returned = code == '\r';
    if (code == '\n') {
        end_word(w);
        next_line(w, false);
    } else if (code == ' ' || code == '\t') {
        put_space(w, (char)code);
    } else if (code != '\r' && IN(steering, code)) {
        put_visibly(w, code);
    } else if (code != '\r') {
        if (is_wide) { /* a line may break before and after a wide character */
            end_word(w);
        }
        put_cells(w, bytes, kg_utf8_encode(code, bytes), w->is_screen ? 1 : is_wide ? 2 : !IN(marks, code));
        if (is_wide) {
            end_word(w);
        }
    }
}

static void begin_voice(struct kg_writer *w, enum kg_voice voice)
{
    erase_cells(w, w->notice);
    w->notice = 0;
    if (w->voice != voice) {
        w->decoder.missing = 0;
        w->returned = false;
        if (w->coloured && colour_of(w, voice) != colour_of(w, w->voice)) {
            emit_text(w, colour_of(w, voice));
        }
    }
    w->voice = (uint8_t)voice;
}

/* Writes bytes unchanged. The column is an estimate: texts with escape sequences end with a line feed. */
static void pass_text(struct kg_writer *w, const char *text, size_t n)
{
    flush_word(w);
    w->write(text, n);
    for (size_t i = 0; i < n; i++) {
        w->column = text[i] == '\n' || text[i] == '\r' ? 0 : w->column + ((text[i] & 0xC0) != 0x80);
    }
    end_word(w);
    w->broken = false;
}

void kg_writer_text(struct kg_writer *w, enum kg_voice voice, const char *text, size_t n)
{
    uint32_t codes[2];
    if (n == 0) {
        return;
    }
    begin_voice(w, voice);
    if (w->raw || voice == KG_VOICE_USER) {
        pass_text(w, text, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        for (uint32_t j = 0, m = kg_decode(&w->decoder, (uint8_t)text[i], codes); j < m; j++) {
            put_code(w, codes[j]);
        }
    }
    flush_word(w);
}

void kg_writer_plain(struct kg_writer *w, const char *text, size_t n)
{
    begin_voice(w, KG_VOICE_KERNEL);
    pass_text(w, text, n);
}

void kg_writer_notice(struct kg_writer *w, const char *text, size_t n)
{
    begin_voice(w, KG_VOICE_KERNEL);
    if (!w->raw && !is_past(w, (uint32_t)n) && w->columns) {
        emit_text(w, text);
        w->notice = (uint32_t)n;
    }
    flush_word(w);
}

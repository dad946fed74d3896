/* Terminal emulator: see kgpt/terminal.h. */
#include "kgpt/terminal.h"

#include "kgpt/format.h"
#include "kgpt/palette.h"

#define ESCAPE 0x1B
#define BELL 0x07
#define DELETE 0x7F

#define INK KG_COLOUR_TEXT
#define PAPER KG_COLOUR_PAPER
#define POSITION 11 /* paper of the words that tell how far the view is scrolled back: yellow */
#define BRIGHT 8
#define TAB 8
#define PARAMETER_MAX 9999

#define NOTHING UINT32_MAX /* differs from every cell */

enum state { TEXT, ESCAPED, CONTROL, STRING, STRING_ESCAPED };

static uint32_t text_height(const struct kg_terminal *t)
{
    return t->rows - 1 - t->top;
}

/* Row `row` of the text. Rows of the scrollback are below 0, as ring - n. */
static uint32_t *row_at(const struct kg_terminal *t, uint32_t row)
{
    return t->cells + (size_t)((t->first + row) % t->ring) * t->columns;
}

static uint32_t *status_row(const struct kg_terminal *t)
{
    return t->cells + (size_t)t->ring * t->columns;
}

static void blank_cells(uint32_t *cells, uint32_t from, uint32_t to, uint32_t colours)
{
    for (uint32_t i = from; i < to; i++) {
        cells[i] = ' ' | colours;
    }
}

static void blank_row(struct kg_terminal *t, uint32_t row)
{
    blank_cells(row_at(t, row), 0, t->columns, t->colours);
}

void kg_terminal_forget(struct kg_terminal *t)
{
    for (size_t i = 0; i < (size_t)t->columns * t->rows; i++) {
        t->shown[i] = NOTHING;
    }
}

void kg_terminal_init(struct kg_terminal *t, uint32_t *memory, size_t size, uint32_t columns, uint32_t rows)
{
    uint32_t ring = (uint32_t)(size / columns) - rows - 1;
    *t = (struct kg_terminal){.cells = memory, .ring = ring, .columns = columns, .rows = rows};
    t->shown = status_row(t) + columns;
    kg_terminal_colour(t, INK, PAPER);
    blank_cells(memory, 0, (ring + 1) * columns, t->colours);
    kg_terminal_forget(t);
}

/* --- UTF-8 --- */

uint32_t kg_decode(struct kg_decoder *d, uint8_t byte, uint32_t codes[2])
{
    uint32_t n = 0;
    if (byte >> 6 == 2 && d->missing) {
        d->code = d->code << 6 | (byte & 0x3F);
        if (--d->missing == 0) {
            bool good = d->code >= d->least && d->code <= 0x10FFFF && d->code >> 11 != 0x1B;
            codes[n++] = good ? d->code : KG_REPLACEMENT;
        }
        return n;
    }
    if (d->missing) {
        codes[n++] = KG_REPLACEMENT;
    }
    d->missing = byte < 0xC2 ? 0 : byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : byte < 0xF5 ? 3 : 0;
    if (d->missing) {
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        d->code = byte & (0x3Fu >> d->missing);
        d->least = least[d->missing];
    } else {
        codes[n++] = byte < 0x80 ? byte : KG_REPLACEMENT;
    }
    return n;
}

/* C0, C1 and DEL occupy no cell. */
static bool is_visible(uint32_t code)
{
    return code >= 0x20 && (code < DELETE || code >= 0xA0);
}

/* --- the cursor --- */

/* True if the row continues the one above. */
static bool is_wrapped(const struct kg_terminal *t, uint32_t row)
{
    return row < text_height(t) && (*row_at(t, row) & KG_CELL_WRAPPED);
}

static void mark_row(struct kg_terminal *t, uint32_t wrapped)
{
    uint32_t *cell = row_at(t, t->row);
    *cell = (*cell & ~KG_CELL_WRAPPED) | wrapped;
}

static uint32_t line_start(const struct kg_terminal *t)
{
    uint32_t row = t->row;
    while (row > 0 && is_wrapped(t, row)) {
        row--;
    }
    return row;
}

static uint32_t line_end(const struct kg_terminal *t)
{
    uint32_t row = t->row;
    while (is_wrapped(t, row + 1)) {
        row++;
    }
    return row;
}

static uint32_t fewer(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Moves the first row to the scrollback. A view of older rows stays unchanged. */
static void scroll_up(struct kg_terminal *t)
{
    t->first = (t->first + 1) % t->ring;
    t->kept = fewer(t->kept + 1, t->ring - text_height(t));
    t->back = fewer(t->back + (t->back > 0), t->kept);
}

static void next_row(struct kg_terminal *t, uint32_t wrapped)
{
    if (t->row + 1 < text_height(t)) {
        t->row++;
    } else {
        scroll_up(t);
        blank_row(t, t->row);
    }
    mark_row(t, wrapped);
    t->column = 0;
}

/* Moves the cursor within a wrapped line, across its rows. */
static void move_cursor(struct kg_terminal *t, int32_t by)
{
    uint32_t start = line_start(t), last = (line_end(t) - start + 1) * t->columns - 1;
    int32_t to = (int32_t)((t->row - start) * t->columns + t->column) + by;
    uint32_t at = to < 0 ? 0 : (uint32_t)to > last ? last : (uint32_t)to;
    t->row = start + at / t->columns;
    t->column = at % t->columns;
}

static void put_cell_code(struct kg_terminal *t, uint32_t code)
{
    if (t->column >= t->columns) {
        if (is_wrapped(t, t->row + 1)) {
            t->row++;
            t->column = 0;
        } else {
            next_row(t, KG_CELL_WRAPPED);
        }
    }
    uint32_t *cell = row_at(t, t->row) + t->column++;
    *cell = (*cell & KG_CELL_WRAPPED) | code | t->colours;
}

static void obey_terminal_control(struct kg_terminal *t, uint8_t byte)
{
    switch (byte) {
    case '\n':
        t->row = line_end(t);
        next_row(t, 0);
        break;
    case '\r':
        t->row = line_start(t);
        t->column = 0;
        break;
    case '\b': move_cursor(t, -1); break;
    case '\t':
        t->column = (t->column / TAB + 1) * TAB;
        t->column = t->column < t->columns ? t->column : t->columns - 1;
        break;
    default: break;
    }
}

/* --- sequences --- */

static void update_colours(struct kg_terminal *t)
{
    uint32_t ink = t->ink | (t->bold ? BRIGHT : 0u), paper = t->paper;
    t->colours = t->reversed ? KG_CELL_COLOURS(paper, ink) : KG_CELL_COLOURS(ink, paper);
}

static void set_plain(struct kg_terminal *t)
{
    t->ink = t->plain_ink;
    t->paper = t->plain_paper;
    t->bold = t->reversed = false;
    update_colours(t);
}

void kg_terminal_colour(struct kg_terminal *t, uint32_t ink, uint32_t paper)
{
    t->plain_ink = (uint8_t)ink;
    t->plain_paper = (uint8_t)paper;
    t->state = TEXT;
    t->decoder.missing = 0;
    set_plain(t);
}

static void set_rendition(struct kg_terminal *t, uint32_t code)
{
    uint32_t tens = code / 10, ones = code % 10;
    if (code == 0) {
        set_plain(t);
    } else if (code == 1 || code == 22) {
        t->bold = code == 1;
    } else if (code == 7 || code == 27) {
        t->reversed = code == 7;
    } else if (ones == 8) {
        return;
    } else if (tens == 3) {
        t->ink = ones == 9 ? t->plain_ink : (uint8_t)ones;
    } else if (tens == 4) {
        t->paper = ones == 9 ? t->plain_paper : (uint8_t)ones;
    } else if (tens == 9 && ones < 8) {
        t->ink = (uint8_t)(BRIGHT + ones);
    } else if (tens == 10 && ones < 8) {
        t->paper = (uint8_t)(BRIGHT + ones);
    }
    update_colours(t);
}

/* K: erases to the end of the wrapped line (0), to the cursor (1), or the whole row (2). */
static void erase_line(struct kg_terminal *t, uint32_t what)
{
    uint32_t from = what ? 0 : t->column, to = what == 1 && t->column < t->columns ? t->column + 1 : t->columns;
    uint32_t *cells = row_at(t, t->row), wrapped = *cells & KG_CELL_WRAPPED;
    blank_cells(cells, from, to, t->colours);
    mark_row(t, wrapped);
    for (uint32_t row = t->row + 1; what == 0 && is_wrapped(t, row); row++) {
        blank_row(t, row);
    }
}

/* J: erases to the end of the screen (0), to the cursor (1), or everything (2, 3). */
static void erase_screen(struct kg_terminal *t, uint32_t what)
{
    erase_line(t, what < 2 ? what : 2);
    for (uint32_t row = 0; row < text_height(t); row++) {
        if ((row > t->row && what != 1) || (row < t->row && what != 0)) {
            blank_row(t, row);
        }
    }
    if (what != 0) {
        mark_row(t, 0);
    }
}

static void go_to(struct kg_terminal *t, uint32_t row, uint32_t column)
{
    t->row = row < text_height(t) ? row : text_height(t) - 1;
    t->column = column < t->columns ? column : t->columns - 1;
}

static void obey_sequence(struct kg_terminal *t, uint8_t letter)
{
    const uint32_t *parameters = t->parameters;
    uint32_t first = parameters[0], second = parameters[1], n = first ? first : 1;
    switch (letter) {
    case 'A': go_to(t, t->row > n ? t->row - n : 0, t->column); break;
    case 'B': go_to(t, t->row + n, t->column); break;
    case 'C': move_cursor(t, (int32_t)n); break;
    case 'D': move_cursor(t, -(int32_t)n); break;
    case 'G': go_to(t, t->row, n - 1); break;
    case 'H': go_to(t, n - 1, second ? second - 1 : 0); break;
    case 'J': erase_screen(t, first); break;
    case 'K': erase_line(t, first); break;
    case 'm':
        for (uint32_t i = 0; i < t->n_parameters && parameters[i] != 38 && parameters[i] != 48; i++) {
            set_rendition(t, parameters[i]); /* 38 and 48 begin a colour of the 256-colour palette */
        }
        break;
    default: break;
    }
}

/* After ESC [: parameters separated by semicolons, perhaps intermediate characters, then a letter. */
static void feed_control(struct kg_terminal *t, uint8_t byte)
{
    uint32_t *number = &t->parameters[t->n_parameters - 1];
    if (byte >= '0' && byte <= '9') {
        *number = *number * 10 + (byte - '0');
        *number = *number < PARAMETER_MAX ? *number : PARAMETER_MAX;
    } else if (byte == ';') {
        t->is_private = t->is_private || t->n_parameters == KG_TERMINAL_PARAMETERS;
        if (!t->is_private) {
            t->parameters[t->n_parameters++] = 0;
        }
    } else if (byte < '@') {
        t->is_private = true;
    } else {
        t->state = TEXT;
        if (byte <= '~' && !t->is_private) {
            obey_sequence(t, byte);
        }
    }
}

static void feed_escaped(struct kg_terminal *t, uint8_t byte)
{
    switch (byte) {
    case '[':
        t->state = CONTROL;
        t->is_private = false;
        t->n_parameters = 1;
        t->parameters[0] = t->parameters[1] = 0;
        break;
    case ']': /* OSC and other strings: up to BEL or ESC \ */
    case 'P':
    case 'X':
    case '^':
    case '_': t->state = STRING; break;
    default:
        if (byte < 0x20 || byte >= '0') { /* intermediate bytes precede the final one */
            t->state = TEXT;
        }
        break;
    }
}

/* A line feed ends every sequence, so that a broken one does not swallow the rest of the output. */
static void feed_byte(struct kg_terminal *t, uint8_t byte)
{
    uint32_t codes[2];
    if (t->state == STRING && byte == ESCAPE) {
        t->state = STRING_ESCAPED;
    } else if (t->state == STRING_ESCAPED && byte == '\\') {
        t->state = TEXT;
    } else if (byte == ESCAPE) {
        t->state = ESCAPED;
        t->decoder.missing = 0;
    } else if (t->state >= STRING && byte != '\n') {
        t->state = byte == BELL ? TEXT : STRING;
    } else if (byte < 0x20 && t->state != TEXT) {
        t->state = TEXT;
        obey_terminal_control(t, byte);
    } else if (t->state == ESCAPED) {
        feed_escaped(t, byte);
    } else if (t->state == CONTROL) {
        feed_control(t, byte);
    } else {
        for (uint32_t i = 0, n = kg_decode(&t->decoder, byte, codes); i < n; i++) {
            if (is_visible(codes[i])) {
                put_cell_code(t, codes[i]);
            } else {
                obey_terminal_control(t, (uint8_t)codes[i]);
            }
        }
    }
}

void kg_terminal_write(struct kg_terminal *t, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        feed_byte(t, (uint8_t)text[i]);
    }
}

/* --- what does not scroll --- */

void kg_terminal_status(struct kg_terminal *t, const char *text, size_t n)
{
    struct kg_decoder decoder = {0};
    uint32_t *cells = status_row(t), codes[2], column = 0;
    for (size_t i = 0; i < n; i++) {
        for (uint32_t j = 0, m = kg_decode(&decoder, (uint8_t)text[i], codes); j < m; j++) {
            if (is_visible(codes[j]) && column < t->columns) {
                cells[column++] = codes[j] | KG_CELL_COLOURS(PAPER, INK);
            }
        }
    }
    blank_cells(cells, column, t->columns, KG_CELL_COLOURS(PAPER, INK));
}

void kg_terminal_place(struct kg_terminal *t, uint32_t top)
{
    uint32_t used = text_height(t), now = t->rows - 1 - top;
    for (; t->row >= now; t->row--, used--) {
        scroll_up(t);
    }
    t->top = top;
    t->back = 0;
    t->kept = fewer(t->kept, t->ring - now);
    for (uint32_t row = used; row < now; row++) {
        blank_row(t, row);
    }
    kg_terminal_forget(t);
}

/* --- what has scrolled away --- */

void kg_terminal_page(struct kg_terminal *t, int pages)
{
    uint32_t page = text_height(t) > 1 ? text_height(t) - 1 : 1; /* pages overlap by one row */
    if (pages > 0) {
        t->back = fewer(t->back + page * (uint32_t)pages, t->kept);
    } else {
        t->back = pages < 0 && t->back > page ? t->back - page : 0;
    }
}

/* --- drawing --- */

/* How many rows the view is above the newest ones: shown at the right end of the status line. */
static uint32_t position_cell(const struct kg_terminal *t, uint32_t column)
{
    char text[24];
    uint32_t n = (uint32_t)kg_format(text, sizeof text, " %u rows back ", t->back), left = t->columns - n;
    return n >= t->columns || column < left ? 0 : (uint8_t)text[column - left] | KG_CELL_COLOURS(PAPER, POSITION);
}

static uint32_t swap_colours(uint32_t cell)
{
    return (cell & KG_CELL_CODE) | KG_CELL_COLOURS(KG_CELL_PAPER(cell), KG_CELL_INK(cell));
}

void kg_terminal_draw(struct kg_terminal *t, kg_cells_draw *draw)
{
    uint32_t cursor = t->column < t->columns ? t->column : t->columns - 1;
    for (uint32_t row = t->top; row < t->rows; row++) {
        bool is_text = row < t->rows - 1, has_cursor = is_text && row - t->top == t->row + t->back;
        const uint32_t *cells = is_text ? row_at(t, t->ring - t->back + row - t->top) : status_row(t);
        uint32_t *shown = t->shown + (size_t)row * t->columns, changed = 0;
        for (uint32_t column = 0; column < t->columns; column++) {
            uint32_t position = is_text || !t->back ? 0 : position_cell(t, column);
            uint32_t cell = position                         ? position
                            : has_cursor && column == cursor ? swap_colours(cells[column])
                                                             : cells[column] & ~KG_CELL_WRAPPED;
            if (cell != shown[column]) {
                shown[column] = cell;
                changed++;
            } else if (changed) {
                draw(row, column - changed, shown + column - changed, changed);
                changed = 0;
            }
        }
        if (changed) {
            draw(row, t->columns - changed, shown + t->columns - changed, changed);
        }
    }
}

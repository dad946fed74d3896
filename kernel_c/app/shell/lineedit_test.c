#include "lineedit.h"

#include "kgpt/mem.h"
#include "kgpt/test.h"

#define ROOM 2048

static char screen[ROOM + 4096]; /* what was written since set_up */
static size_t screen_n;

static void write(const char *text, size_t n)
{
    for (size_t i = 0; i < n && screen_n + 1 < sizeof screen; i++) {
        screen[screen_n++] = text[i];
    }
    screen[screen_n] = '\0';
}

static struct kg_lineedit *begin_editor(struct kg_test *t)
{
    struct kg_lineedit *edit = kg_arena_take(t->arena, sizeof *edit);
    screen_n = 0;
    kg_lineedit_carve(edit, write, ROOM, t->arena);
    edit->rows = edit->tabs = true;
    kg_lineedit_begin(edit, "> ");
    return edit;
}

/* Types `keys`; the result of the last one. */
static enum kg_edit type(struct kg_lineedit *edit, const char *keys)
{
    enum kg_edit result = KG_EDIT_MORE;
    for (; *keys; keys++) {
        result = kg_lineedit_feed(edit, (unsigned char)*keys);
    }
    return result;
}

/* A new line with `keys`, then Enter. */
static enum kg_edit enter(struct kg_lineedit *edit, const char *keys)
{
    type(edit, keys);
    enum kg_edit result = type(edit, "\r");
    kg_lineedit_remember(edit, edit->line);
    return result;
}

KG_TEST(lineedit, plain_typing_is_echoed_plainly)
{
    struct kg_lineedit *edit = begin_editor(t);
    KG_CHECK_EQ(t, enter(edit, "help me"), KG_EDIT_LINE);
    KG_CHECK_TEXT(t, edit->line, "help me");
    KG_CHECK_TEXT(t, screen, "> help me\n");
}

KG_TEST(lineedit, return_and_newline_are_one_enter)
{
    struct kg_lineedit *edit = begin_editor(t);
    KG_CHECK_EQ(t, type(edit, "a\r"), KG_EDIT_LINE);
    kg_lineedit_begin(edit, "> ");
    KG_CHECK_EQ(t, type(edit, "\n"), KG_EDIT_MORE);
    KG_CHECK_EQ(t, type(edit, "\n"), KG_EDIT_LINE);
    KG_CHECK_TEXT(t, edit->line, "");
}

KG_TEST(lineedit, moves_and_inserts)
{
    static const struct {
        const char *keys, *line;
    } cases[] = {
        {"bc\x01"
         "a",
         "abc"},                                /* Ctrl-A */
        {"ab\x1b[D\x1b[Dx\x05y", "xaby"},       /* left, Ctrl-E */
        {"ab\x1b[Hx\x1b[Fy", "xaby"},           /* Home, End */
        {"ab\x1b[1~x\x1b[4~y", "xaby"},         /* as other terminals send them */
        {"ab\x1b[15~\x1b[18~\x1bOPx", "abx"},   /* function keys */
        {"ab\x1bOHx\x1bOFy", "xaby"},           /* and others still */
        {"ab\x1b[D\x1b[D\x1b[Cx", "axb"},       /* right */
        {"ab\x02\x02\x06x", "axb"},             /* Ctrl-B, Ctrl-F */
        {"ab\x1b[D\x1b[D\x1b[D\x1b[Dx", "xab"}, /* not past the start */
        {"ab\x1b[C\x1b[Cx", "abx"},             /* nor past the end */
        {"a\tb", "a\tb"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kg_lineedit *edit = begin_editor(t);
        KG_CHECK_EQ(t, enter(edit, cases[i].keys), KG_EDIT_LINE);
        KG_CHECK_TEXT(t, edit->line, cases[i].line);
    }
}

KG_TEST(lineedit, deletes)
{
    static const struct {
        const char *keys, *line;
    } cases[] = {
        {"abx\x7f", "ab"}, /* Backspace */
        {"abx\b", "ab"},   /* as other terminals send it */
        {"\x7f\x7f"
         "a",
         "a"},                          /* nothing to delete */
        {"xab\x01\x1b[3~", "ab"},       /* Delete */
        {"xab\x01\x04", "ab"},          /* Ctrl-D */
        {"ab\x1b[3~", "ab"},            /* nothing behind the end */
        {"abxy\x1b[D\x1b[D\x0b", "ab"}, /* Ctrl-K */
        {"xyab\x1b[D\x1b[D\x15", "ab"}, /* Ctrl-U */
        {"ab cd  \x17", "ab "},         /* Ctrl-W */
        {"ab cd\x1b[D\x17", "ab d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kg_lineedit *edit = begin_editor(t);
        KG_CHECK_EQ(t, enter(edit, cases[i].keys), KG_EDIT_LINE);
        KG_CHECK_TEXT(t, edit->line, cases[i].line);
    }
}

KG_TEST(lineedit, characters_are_whole)
{
    struct kg_lineedit *edit = begin_editor(t);
    enter(edit, "\xC3\xA9\xE2\x82\xAC\x7f");
    KG_CHECK_TEXT(t, edit->line, "\xC3\xA9");
    edit = begin_editor(t);
    enter(edit, "\xC3\xA9z\x1b[D\x1b[Dx"); /* left goes over two bytes at once */
    KG_CHECK_TEXT(t, edit->line, "x\xC3\xA9z");
    edit = begin_editor(t);
    enter(edit, "a\xFF\xC3z\x80"); /* what is no character is dropped */
    KG_CHECK_TEXT(t, edit->line, "az");
    edit = begin_editor(t);
    enter(edit, "a\xC2\x80\xC2\x9B"
                "2J\xC2\xA0z"); /* and so are control characters of two bytes */
    KG_CHECK_TEXT(t, edit->line, "a2J\xC2\xA0z");
}

KG_TEST(lineedit, history)
{
    struct kg_lineedit *edit = begin_editor(t);
    static const char *const lines[] = {"one", "two", "two", "three"};
    for (int i = 0; i < 4; i++) {
        enter(edit, lines[i]);
        kg_lineedit_begin(edit, "> ");
    }
    type(edit, "new\x1b[A");
    KG_CHECK_TEXT(t, edit->line, "three");
    type(edit, "\x1b[A\x1b[A");
    KG_CHECK_TEXT(t, edit->line, "one"); /* "two" is kept once */
    type(edit, "\x1b[A");
    KG_CHECK_TEXT(t, edit->line, "one");
    type(edit, "\x1b[B\x1b[B\x1b[B\x1b[B");
    KG_CHECK_TEXT(t, edit->line, "new");
    enter(edit, "\x10\x10!"); /* Ctrl-P, and an old line can be changed */
    KG_CHECK_TEXT(t, edit->line, "two!");
}

/* The oldest texts make room. */
KG_TEST(lineedit, history_is_bounded)
{
    struct kg_lineedit *edit = begin_editor(t);
    char line[ROOM / 4 + 1] = {0};
    for (int i = 0; i < 26; i++) {
        memset(line, 'A' + i, sizeof line - 1);
        enter(edit, line);
        kg_lineedit_begin(edit, "> ");
    }
    for (int i = 0; i < 26; i++) {
        type(edit, "\x1b[A");
    }
    size_t kept = (edit->history_room - 1) / sizeof line; /* besides the empty line that was typed last */
    KG_CHECK(t, kept > 10);
    KG_CHECK_EQ(t, edit->line[0], 'Z' + 1 - kept);
    KG_CHECK_EQ(t, edit->n, sizeof line - 1);
    type(edit, "x\x1b[B\x1b[B\x1b[A"); /* back from there, and what was typed into an old one is gone */
    KG_CHECK_EQ(t, edit->line[0], 'Z' + 2 - kept);
}

KG_TEST(lineedit, control_c_drops_the_line_and_control_d_leaves)
{
    struct kg_lineedit *edit = begin_editor(t);
    KG_CHECK_EQ(t, type(edit, "abc\x03"), KG_EDIT_INTERRUPTED);
    KG_CHECK_TEXT(t, screen, "> abc^C\n");
    kg_lineedit_begin(edit, "> ");
    KG_CHECK_TEXT(t, edit->line, "");
    screen_n = 0;
    type(edit, "abc\x01\x03"); /* at the left edge: behind the text, not into it */
    KG_CHECK_TEXT(t, screen, "abc\r> abc\x1b[K\x1b[3D\r> abc\x1b[K^C\n");
    kg_lineedit_begin(edit, "> ");
    KG_CHECK_EQ(t, type(edit, "a\x04"), KG_EDIT_MORE);
    KG_CHECK_EQ(t, type(edit, "\x7f\x04"), KG_EDIT_END);
}

KG_TEST(lineedit, a_full_line_takes_no_more_and_counts_it)
{
    struct kg_lineedit *edit = begin_editor(t);
    for (int i = 0; i < ROOM + 20; i++) {
        type(edit, "x");
    }
    KG_CHECK_EQ(t, edit->n, ROOM - 1);
    KG_CHECK_EQ(t, edit->lost, 21);
    KG_CHECK_EQ(t, screen[screen_n - 1], '\a');
    KG_CHECK_EQ(t, screen[screen_n - 2], 'x'); /* one bell */
    KG_CHECK_EQ(t, type(edit, "\x7fy\r"), KG_EDIT_LINE);
    KG_CHECK_EQ(t, edit->line[ROOM - 2], 'y');
    KG_CHECK_EQ(t, edit->lost, 21);
    kg_lineedit_remember(edit, edit->line);
    kg_lineedit_begin(edit, "> ");
    KG_CHECK_EQ(t, edit->lost, 0);
    type(edit, "\x1b[A");
    KG_CHECK_EQ(t, edit->n, ROOM - 1);
}

KG_TEST(lineedit, a_paste_is_one_text)
{
    static const struct {
        const char *keys, *line;
    } cases[] = {
        {"\x1b[200~a\rb\x1b[201~", "a\nb"},
        {"\x1b[200~a\r\n\r\nb\n\x1b[201~", "a\n\nb\n"},
        {"x\x1b[200~\ta\\\r\tb\x1b[201~y", "x\ta\\\n\tby"},
        {"\x1b[200~a\x04\x01\x15\x17\x7f\x1b[Db\x1b[A\x1b[201~", "ab"}, /* no keys in there */
        {"ac\x1b[D\x1b[200~1\r2\x1b[201~", "a1\n2c"},                   /* into the middle */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kg_lineedit *edit = begin_editor(t);
        KG_CHECK_EQ(t, enter(edit, cases[i].keys), KG_EDIT_LINE);
        KG_CHECK_TEXT(t, edit->line, cases[i].line);
        KG_CHECK(t, edit->pasted);
    }
    struct kg_lineedit *edit = begin_editor(t);
    edit->rows = false;
    KG_CHECK_EQ(t, type(edit, "\x1b[200~a\r"), KG_EDIT_LINE); /* where a line is all */
    KG_CHECK_EQ(t, type(edit, "\x03"), KG_EDIT_INTERRUPTED);
    KG_CHECK(t, !edit->pasting);
}

KG_TEST(lineedit, rows_are_edited)
{
    static const struct {
        const char *keys, *line;
    } cases[] = {
        {"x", "ab\ncdx"},
        {"\x1b[Hx", "ab\nxcd"},             /* Home: of the row */
        {"\x1b[H\x1b[Dx", "abx\ncd"},       /* left, over its start */
        {"\x1b[H\x7f", "abcd"},             /* Backspace joins two */
        {"\x15\x15", "ab"},                 /* Ctrl-U: the row, then its start */
        {"\x15\x15\x01\x0b", ""},           /* Ctrl-K */
        {"\x1b[H\x1b[D\x0b", "abcd"},       /* … at the end of a row: what parts it from the next */
        {"\x17\x17", ""},                   /* Ctrl-W */
        {"\x1b[H\x1b[D\x1b[Hx", "xab\ncd"}, /* Home in the first */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kg_lineedit *edit = begin_editor(t);
        enter(edit, "\x1b[200~ab\rcd\x1b[201~");
        kg_lineedit_begin(edit, "> ");
        type(edit, "\x1b[A"); /* from the history */
        KG_CHECK_TEXT(t, edit->line, "ab\ncd");
        KG_CHECK_EQ(t, enter(edit, cases[i].keys), KG_EDIT_LINE);
        KG_CHECK_TEXT(t, edit->line, cases[i].line);
    }
}

KG_TEST(lineedit, a_text_goes_on)
{
    struct kg_lineedit *edit = begin_editor(t);
    enter(edit, "ab\\");
    kg_lineedit_continue(edit, 2);
    KG_CHECK_EQ(t, enter(edit, "cd"), KG_EDIT_LINE);
    KG_CHECK_TEXT(t, edit->line, "ab\ncd");
    KG_CHECK_TEXT(t, screen, "> ab\\\n... cd\n");
    kg_lineedit_continue(edit, edit->n);
    KG_CHECK_EQ(t, type(edit, "\x04"), KG_EDIT_END); /* Ctrl-D in an empty row */
}

/* Each key draws the row again, and a row may be as long as a context. */
KG_TEST(lineedit, a_long_row_is_drawn_in_part)
{
    struct kg_lineedit *edit = begin_editor(t);
    for (int i = 0; i < KG_LINE_COLUMNS + 500; i++) {
        type(edit, i % 10 ? "x" : "|");
    }
    screen_n = 0;
    type(edit, "\x7f");
    KG_CHECK(t, screen_n <= KG_LINE_COLUMNS + 1 + 3);
    screen_n = 0;
    type(edit, "\x1b[H");
    KG_CHECK(t, kg_str_starts(screen, "\r> |xxxxxxxxx|"));
    KG_CHECK(t, screen_n <= KG_LINE_COLUMNS + 1 + 3 + 6);
    type(edit, "y\r");
    KG_CHECK_EQ(t, edit->n, KG_LINE_COLUMNS + 500);
    KG_CHECK(t, kg_str_starts(edit->line, "y|xxxxxxxxx|"));
}

KG_TEST(lineedit, unknown_sequences_do_nothing)
{
    struct kg_lineedit *edit = begin_editor(t);
    enter(edit, "a\x1b[5~b\x1b[1;5Zc\x1b[999999999d\x1bxe");
    KG_CHECK(t, kg_str_starts(edit->line, "abc"));
    KG_CHECK_EQ(t, edit->line[edit->n - 1], 'e');
    for (int byte = 0; byte < 256; byte++) { /* nor does any byte break it */
        kg_lineedit_feed(edit, (unsigned char)byte);
        KG_CHECK(t, edit->n < ROOM && edit->cursor <= edit->n);
    }
}

KG_TEST(lineedit, editing_draws_the_line_again)
{
    struct kg_lineedit *edit = begin_editor(t);
    type(edit, "ac\x1b[D");
    KG_CHECK_TEXT(t, screen, "> ac\r> ac\x1b[K\x1b[1D");
    screen_n = 0;
    type(edit, "b");
    KG_CHECK_TEXT(t, screen, "\r> abc\x1b[K\x1b[1D");
}

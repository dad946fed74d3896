/* Standard input and output as the console, and a file descriptor as the machine channel. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "kgpt/terminal_words.h"
#include "kgpt/writer.h"
#include "linux.h"

#define KG_CTRL_C 0x03

static struct termios saved;
static volatile sig_atomic_t is_raw, asked, interrupted;
static bool input_ended;
static int events_fd = -1;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

static void on_termination(int signal_number)
{
    kg_linux_console_restore();
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static void handle_signal(int signal_number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    sigaction(signal_number, &action, NULL);
}

static bool write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t written = write(fd, text, n);
        if (written < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = fd, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (written < 0 && errno != EINTR) {
            return false;
        } else if (written > 0) {
            text += written;
            n -= (size_t)written;
        }
    }
    return true;
}

static void write_output(const char *text, size_t n)
{
    if (!write_all(STDOUT_FILENO, text, n)) {
        plat_exit(KG_EXIT_REFUSED); /* the reader of the output is gone */
    }
}

static struct kg_writer writer = {.write = write_output, .raw = true};

/* https://no-color.org; TERM=dumb has no escape sequences. */
static bool wants_colours(void)
{
    const char *off = getenv("NO_COLOR"), *term = getenv("TERM");
    return !(off && *off) && term && strcmp(term, "dumb") != 0;
}

static void output_init(void)
{
    struct winsize size;
    if (isatty(STDOUT_FILENO)) {
        bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
        plat_output(wants_colours() ? KG_OUTPUT_COLOR : KG_OUTPUT_PLAIN, known ? size.ws_col : 0);
    }
}

void plat_output(enum kg_output output, uint32_t columns)
{
    writer.raw = output == KG_OUTPUT_RAW;
    writer.coloured = output == KG_OUTPUT_COLOR;
    writer.columns = columns;
}

void plat_write(const char *text, size_t n)
{
    kg_writer_plain(&writer, text, n);
}

void plat_text(enum kg_voice voice, const char *text, size_t n)
{
    kg_writer_text(&writer, voice, text, n);
}

void plat_notice(const char *text, size_t n)
{
    kg_writer_notice(&writer, text, n);
}

void plat_ask_terminal(bool answer)
{
    const char *term = getenv("TERM");
    if (!writer.raw && (writer.coloured || (term && *term && strcmp(term, "dumb") != 0))) {
        write_output(KG_ASK_TERMINAL, answer ? sizeof KG_ASK_TERMINAL - 1 : KG_ASK_PASTES);
        asked = 1;
    }
}

void kg_linux_console_restore(void)
{
    if (asked) {
        asked = 0;
        (void)!write(STDOUT_FILENO, KG_ASK_NO_MORE, sizeof KG_ASK_NO_MORE - 1);
    }
    if (is_raw) {
        is_raw = 0;
        if (writer.coloured) {
            (void)!write(STDOUT_FILENO, "\x1b[m", 3);
        }
        tcsetattr(STDIN_FILENO, TCSANOW, &saved);
    }
}

bool kg_linux_console_init(void)
{
    handle_signal(SIGINT, on_interrupt);
    handle_signal(SIGTERM, on_termination);
    handle_signal(SIGHUP, on_termination);
    signal(SIGPIPE, SIG_IGN); /* a closed reader appears as a failed write */
    output_init();
    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &saved) != 0) {
        return false;
    }
    struct termios raw = saved;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    raw.c_cc[VMIN] = 0;
    raw.c_cc[VTIME] = 0;
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0) {
        is_raw = 1;
        atexit(kg_linux_console_restore);
    }
    return true;
}

void kg_linux_events_init(int fd)
{
    events_fd = fd;
}

int plat_read(void)
{
    unsigned char byte;
    if (interrupted) {
        interrupted = 0;
        return KG_CTRL_C;
    }
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    if (input_ended || poll(&ready, 1, 0) <= 0) {
        return input_ended ? KG_READ_END : KG_READ_NONE;
    }
    ssize_t n = read(STDIN_FILENO, &byte, 1);
    if (n == 1) {
        return byte;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return KG_READ_NONE;
    }
    input_ended = true;
    return KG_READ_END;
}

void plat_relax(void)
{
    struct pollfd ready = {.fd = STDIN_FILENO, .events = POLLIN};
    poll(&ready, 1, 100); /* a signal ends the wait at once */
}

bool plat_has_events(void)
{
    return events_fd >= 0;
}

static bool event_line_open; /* the last byte was no line feed */

void plat_event(const char *bytes, size_t n)
{
    event_line_open = n && bytes[n - 1] != '\n';
    if (events_fd >= 0 && !write_all(events_fd, bytes, n)) {
        events_fd = -1;
    }
}

void plat_event_break(void)
{
    if (event_line_open) {
        plat_event("\n", 1);
    }
}

/* A process has no screen: status line and pixels do not exist. */
void plat_screen_text(const char *text, size_t n)
{
    (void)text;
    (void)n;
}

void plat_status(const char *text, size_t n)
{
    (void)text;
    (void)n;
}

bool plat_picture_open(struct kg_picture *picture, uint32_t percent, struct kg_arena *arena)
{
    (void)picture;
    (void)percent;
    (void)arena;
    return false;
}

void plat_picture_show(void)
{
}

void plat_picture_close(void)
{
}

void plat_screen_use(enum kg_screen_use use, uint32_t scale)
{
    (void)use;
    (void)scale;
}

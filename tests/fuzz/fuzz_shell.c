/* Fuzzes the whole application with a language model. The first line of the input is the command line, the rest is
 * typed; then Ctrl-C is pressed and the input ends. Two models of tests/fuzz/shell are boot modules: one with a chat
 * template, one without. The console must receive whole characters, the channel whole lines, and there must be no
 * panic. */
#include <setjmp.h>
#include <string.h>

#include "app/lm.h"
#include "checked_arena.h"
#include "kgpt/model_data.h"
#include "kgpt/platform.h"
#include "kgpt/test.h"
#include "kgpt/utf8.h"
#include "promise.h"

#define CMDLINE_MAX 300
#define MEMORY (8u << 20)
#define FILE_MAX 65536
#define PAUSE 6        /* reads without input: tokens of a reply that they allow */
#define MOST_PAUSED 96 /* limit over one input: longer replies take too long */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A kernel without a model, which comes as a module. */
const struct kg_model_data kgpt_model = {
    .magic = KG_MODEL_MAGIC, .version = KG_MODEL_VERSION, .size = sizeof kgpt_model, .arch = "none"};
const char kgpt_build_cmdline[] = "", kgpt_version[] = "0";

KG_TEST(fuzz, passes)
{
    KG_CHECK(t, t->arena);
}

static struct {
    const uint8_t *typed;
    size_t n, at;
    unsigned pause, paused; /* remaining reads of this pause, and reads of all pauses */
    unsigned after;         /* reads after the end of the input */
    uint64_t ticks;
    uint8_t part[4]; /* incomplete character */
    size_t part_n;
    char event_last; /* last byte of the current line of the channel; 0: between lines */
    jmp_buf end;
} machine;

/* Length of a character by its lead byte; 0: invalid. */
UNWATCHED static size_t length_of(uint8_t first)
{
    return first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
}

UNWATCHED void plat_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)text[i];
        promise(machine.part_n ? (byte & 0xC0) == 0x80 : length_of(byte) > 0);
        machine.part[machine.part_n++] = byte;
        if (machine.part_n == length_of(machine.part[0])) {
            machine.part_n = 0;
        }
    }
}

void plat_text(enum kg_voice voice, const char *text, size_t n)
{
    promise(voice <= KG_VOICE_ERROR);
    plat_write(text, n);
}

UNWATCHED void plat_notice(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        promise(text[i] >= ' ' && text[i] <= '~');
    }
}

void plat_output(enum kg_output output, uint32_t columns)
{
    promise(output <= KG_OUTPUT_RAW && columns <= 1000);
}

/* A NUL is a pause, during which a reply continues; several are a longer pause. At the end, Ctrl-C and the end of
 * input alternate: one stops what runs, the other ends reading. */
int plat_read(void)
{
    if (machine.pause && machine.paused < MOST_PAUSED) {
        machine.pause--;
        machine.paused++;
        return KG_READ_NONE;
    }
    if (machine.at < machine.n) {
        uint8_t byte = machine.typed[machine.at++];
        machine.pause = byte ? 0 : PAUSE;
        return byte ? byte : KG_READ_NONE;
    }
    return machine.after++ % 2 ? KG_READ_END : 3;
}

void plat_ask_terminal(bool answer)
{
    (void)answer;
}

void plat_relax(void)
{
    machine.pause = 0;
}

UNWATCHED void plat_screen_text(const char *text, size_t n)
{
    (void)text;
    (void)n;
}

UNWATCHED void plat_status(const char *text, size_t n)
{
    for (size_t i = 0, length; i < n; i += length) {
        length = kg_utf8_length(text + i, n - i);
        promise(length && (uint8_t)text[i] >= 0x20 && text[i] != 0x7F);
    }
}

void plat_screen_use(enum kg_screen_use use, uint32_t scale)
{
    promise(use <= KG_SCREEN_SAFE && scale <= 8);
}

bool plat_has_events(void)
{
    return true;
}

/* A line arrives in chunks. */
UNWATCHED void plat_event(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            promise(machine.event_last == '}');
            machine.event_last = 0;
        } else {
            promise((uint8_t)bytes[i] >= 0x20 && (machine.event_last || bytes[i] == '{'));
            machine.event_last = bytes[i];
        }
    }
}

uint64_t plat_ticks(void)
{
    return machine.ticks += 1000000; /* replies take simulated seconds, so the status line is updated */
}

uint64_t plat_ticks_hz(void)
{
    return 1000000000;
}

const char *plat_smis(uint64_t *count)
{
    (void)count;
    return "there is no counter";
}

uint64_t plat_switches(void)
{
    return 0;
}

const char *plat_clock(void)
{
    return "fuzz";
}

void plat_clock_use(const char *name)
{
    promise(name[0]);
}

bool plat_entropy(uint64_t *value)
{
    *value = 4; /* fixed, so that runs are reproducible */
    return true;
}

bool plat_keymap(const char *name)
{
    promise(name[0]);
    return true;
}

bool plat_awaits_keyboard(void)
{
    return false;
}

const char *plat_keyboards_awaited(void)
{
    return "";
}

uint64_t plat_time(void)
{
    return 0;
}

struct kg_outside plat_outside(void)
{
    return (struct kg_outside){1 << 20, 4096};
}

bool plat_fault(const char *kind)
{
    return kind[0] == '\0';
}

_Noreturn void plat_panic(const char *message)
{
    fprintf(stderr, "panic: %s\n", message);
    abort();
}

_Noreturn void plat_exit(enum kg_exit code)
{
    (void)code;
    longjmp(machine.end, 1);
}

void plat_off_at_exit(void)
{
}

_Noreturn void plat_reboot(void)
{
    longjmp(machine.end, 1);
}

struct kg_cpus plat_start_cpus(uint32_t most, struct kg_arena *arena)
{
    (void)most;
    (void)arena;
    return (struct kg_cpus){.found = 1, .started = 1, .by = "", .note = ""};
}

void plat_parallel(void (*work)(void *context, uint32_t worker, uint32_t workers), void *context)
{
    work(context, 0, 1);
}

/* Reads a file once: the engine modifies it only when it opens it, also once (opened.h). */
static struct kg_file module(const char *path, int which)
{
    static uint8_t files[3][FILE_MAX] __attribute__((aligned(64)));
    static size_t sizes[3];
    if (!sizes[which]) {
        FILE *in = fopen(path, "rb");
        promise(in);
        sizes[which] = fread(files[which], 1, FILE_MAX, in);
        promise(sizes[which] > 0 && sizes[which] < FILE_MAX);
        fclose(in);
    }
    return (struct kg_file){
        .name = which < 2 ? "chat.gguf" : "plain.gguf", .words = "", .data = files[which], .size = sizes[which]};
}

static void run(const char *cmdline)
{
    static const struct kg_cpu cpu;
    static char notes[] = "ab\na <|im_end|> \xff b\n";
    struct kg_file files[4] = {
        module(KG_SHELL_MODELS "/chat.gguf", 0),
        module(KG_SHELL_MODELS "/chat.kgct", 1),
        module(KG_SHELL_MODELS "/plain.gguf", 2),
        {.name = "/files/notes", .words = "kind=file", .data = notes, .size = sizeof notes - 1},
    };
    files[1].name = files[0].name; /* the same words: a template belongs to the preceding model */
    const struct kg_platform_info info = {
        .platform = "fuzz",
        .loader = "process",
        .cmdline = cmdline,
        .cpu = &cpu,
        .memory_total = MEMORY,
        .arena_size = MEMORY,
        .files = files,
        .n_files = 4,
        .serial = "COM1",
        .has_screen = true,
        .screen_mode = "text 80x25",
        .has_input = true,
        .is_typed = true,
    };
    if (!setjmp(machine.end)) {
        enum kg_exit code = kg_main(&info);
        promise(code == KG_EXIT_OK || code == KG_EXIT_REFUSED);
    }
    promise(machine.part_n == 0 && machine.event_last == 0);
    checked_arena_free();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char cmdline[CMDLINE_MAX + 1];
    const uint8_t *end = memchr(data, '\n', size);
    size_t n = end ? (size_t)(end - data) : size;
    if (size == 0 || n > CMDLINE_MAX) {
        return 0;
    }
    memcpy(cmdline, data, n);
    cmdline[n] = '\0';
    memset(&machine, 0, sizeof machine);
    machine.typed = end ? end + 1 : data;
    machine.n = end ? size - n - 1 : 0;
    run(cmdline);
    return 0;
}

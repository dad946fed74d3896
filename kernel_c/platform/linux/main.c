/* The hosted program: the same engine as an ordinary process, for sanitizers, debugging and native speed. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "linux.h"
#include "processor.h"

#define KG_USAGE_ERROR 2
#define KG_ARENA_MB 256

struct options {
    const char *cmdline;
    long events_fd; /* -1: none */
    long arena_mb;
    struct kg_file files[KG_FILES_MAX];
    size_t n_files;
};

static const char usage[] =
    "usage: kgpt-hosted [--cmdline TEXT] [--events-fd N] [--arena-mb N] [--module FILE]… [--memory FILE] "
    "[--disk FILE]… [--listen ADDRESS]\n";

static _Noreturn void usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "kgpt-hosted: %s: %s\n%s", what, argument, usage);
    exit(KG_USAGE_ERROR);
}

static long parse_option_number(const char *option, const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > most) {
        usage_error("not a possible number", option);
    }
    return value;
}

/* Separates the words from the file's name: a name may contain spaces, so a word is recognized by its key. */
static char *cut_words(char *path)
{
    static const char *const firsts[] = {" sha256=", " kind="};
    char *words = NULL;
    for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
        char *found = strstr(path, firsts[i]);
        words = found && (!words || found < words) ? found : words;
    }
    if (words) {
        *words++ = '\0';
    }
    return words ? words : path + strlen(path);
}

/* The file in memory: the hosted counterpart of a boot module. */
static struct kg_file map_file(char *path)
{
    struct stat status;
    char *words = cut_words(path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size == 0) {
        usage_error("cannot read this file, or it is empty", path);
    }
    void *data = kg_linux_read_huge(fd, (size_t)status.st_size);
    if (!data) {
        data = mmap(NULL, (size_t)status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    }
    if (data == MAP_FAILED) {
        usage_error("cannot map this file", path);
    }
    return (struct kg_file){path, words, data, (size_t)status.st_size, false};
}

static void add_disk(char *path, bool writable)
{
    const char *problem = kg_linux_add_disk(path, writable);
    if (problem) {
        usage_error(problem, path);
    }
}

static void parse_option(struct options *options, const char *name, char *value)
{
    if (strcmp(name, "--cmdline") == 0) {
        options->cmdline = value;
    } else if (strcmp(name, "--events-fd") == 0) {
        options->events_fd = parse_option_number(name, value, 1 << 20);
    } else if (strcmp(name, "--arena-mb") == 0) {
        options->arena_mb = parse_option_number(name, value, 1 << 20);
    } else if (strcmp(name, "--memory") == 0) {
        add_disk(value, true);
    } else if (strcmp(name, "--listen") == 0) {
        kg_linux_listen_on(value);
    } else if (strcmp(name, "--disk") == 0) {
        add_disk(value, false);
    } else if (options->n_files < KG_FILES_MAX) {
        options->files[options->n_files++] = map_file(value);
    } else {
        usage_error("too many modules", value);
    }
}

static struct options parse_options(int argc, char **argv)
{
    static const char *const names[] = {"--cmdline", "--events-fd", "--arena-mb", "--module",
                                        "--memory",  "--disk",      "--listen"};
    struct options options = {.cmdline = "", .events_fd = -1, .arena_mb = KG_ARENA_MB};
    for (int i = 1; i < argc; i += 2) {
        char *name = argv[i], *value = argv[i + 1];
        bool known = false;
        if (strcmp(name, "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            known = known || strcmp(name, names[j]) == 0;
        }
        if (!known || !value) {
            usage_error(known ? "this option needs a value" : "unknown option", name);
        }
        parse_option(&options, name, value);
    }
    return options;
}

static void *map_arena(size_t size)
{
    if (size == 0) {
        return NULL;
    }
    void *arena = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (arena == MAP_FAILED) {
        perror("kgpt-hosted: cannot map the arena");
        exit(KG_EXIT_REFUSED);
    }
    return arena;
}

int main(int argc, char **argv)
{
    struct kg_cpu cpu;
    uint64_t entry = plat_ticks();
    struct options options = parse_options(argc, argv);
    size_t arena_size = (size_t)options.arena_mb << 20;
    kg_cpu_detect(&cpu);
    cpu.features |= kg_linux_features();
    kg_linux_embedded_model_huge();
    const struct kg_platform_info info = {
        .platform = "linux",
        .loader = "process",
        .cmdline = options.cmdline,
        .cpu = &cpu,
        .memory_total = arena_size,
        .arena = map_arena(arena_size),
        .arena_size = arena_size,
        .arena_is_zero = true,
        .files = options.files,
        .n_files = options.n_files,
        .ticks_entry = entry,
        .has_screen = false,
        .has_keyboard = false,
        .screen_mode = "",
        .has_input = true,
        .is_typed = kg_linux_console_init(),
    };
    kg_linux_events_init((int)options.events_fd);
    kg_linux_signals_init();
    plat_exit(kg_main(&info));
}

/* The hosted program: the same engine as an ordinary process, for sanitizers, debugging and native speed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "linux.h"

#define KG_USAGE_ERROR 2
#define KG_ARENA_MB 256

struct options {
    const char *cmdline;
    long events_fd; /* -1: none */
    long arena_mb;
};

static const char usage[] = "usage: kgpt-hosted [--cmdline TEXT] [--events-fd N] [--arena-mb N]\n";

static _Noreturn void usage_error(const char *what, const char *argument)
{
    fprintf(stderr, "kgpt-hosted: %s: %s\n%s", what, argument, usage);
    exit(KG_USAGE_ERROR);
}

static long parse_number(const char *option, const char *text, long most)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || value > most) {
        usage_error("not a possible number", option);
    }
    return value;
}

static struct options parse_options(int argc, char **argv)
{
    struct options options = {.cmdline = "", .events_fd = -1, .arena_mb = KG_ARENA_MB};
    for (int i = 1; i < argc; i += 2) {
        const char *name = argv[i], *value = argv[i + 1];
        if (strcmp(name, "--help") == 0) {
            fputs(usage, stdout);
            exit(0);
        }
        if (strcmp(name, "--cmdline") != 0 && strcmp(name, "--events-fd") != 0 && strcmp(name, "--arena-mb") != 0) {
            usage_error("unknown option", name);
        }
        if (!value) {
            usage_error("this option needs a value", name);
        }
        if (strcmp(name, "--cmdline") == 0) {
            options.cmdline = value;
        } else if (strcmp(name, "--events-fd") == 0) {
            options.events_fd = parse_number(name, value, 1 << 20);
        } else {
            options.arena_mb = parse_number(name, value, 1 << 20);
        }
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
    const struct kg_platform_info info = {
        .platform = "linux",
        .loader = "process",
        .cmdline = options.cmdline,
        .cpu = &cpu,
        .memory_total = arena_size,
        .arena = map_arena(arena_size),
        .arena_size = arena_size,
        .ticks_entry = entry,
        .has_serial = false,
        .has_screen = false,
        .has_input = true,
    };
    kg_linux_events_init((int)options.events_fd);
    kg_linux_console_init();
    kg_linux_signals_init();
    plat_exit(kg_main(&info));
}

/* What a test sets and reads of the made-up firmware of stick_driver.c: its files, keys, memory, clock and events. */
#ifndef KGPT_TESTS_STICK_WORLD_H
#define KGPT_TESTS_STICK_WORLD_H

#include "../../kernel_c/platform/boot/uefi.h"
#include "../../kernel_c/uefi/efi.h"
#include "../../kernel_c/uefi/loader.h"

#define FILES_MAX 16
#define KEYS_MAX 64
#define CALLS_BEFORE_GIVING_UP 200000
#define SAID_MAX (1 << 20)

/* What Python sets, and what it reads. */
struct world {
    uint64_t memory, memory_end; /* that firmware gives */
    uint64_t most_bytes;         /* of a read, or of a body's piece */
    uint64_t fails_after;        /* bytes of a file, then device_error */
    uint64_t served_size;        /* what the server says of each file; UINT64_MAX: the truth */
    uint64_t http_status, silent, silent_after, tries_late, no_length, no_service, load_status, has_serial;
    uint64_t far_server, in_folder, old_client,
        refused_packets;  /* TFTP: the client does not know the option windowsize */
    uint64_t slow_stalls; /* so many waits last six times as long as asked for */
    uint64_t pages, calls, requests, children, events, started; /* counted */
};
struct world world;
char said[SAID_MAX];

struct made_file {
    char path[128];
    const uint8_t *bytes;
    uint64_t n;
};

struct open_file {
    struct kg_efi_file calls;
    const struct made_file *file; /* NULL: the root, or the folder of models */
    uint64_t at;
};

static struct made_file files[FILES_MAX];
static struct open_file opened[FILES_MAX];
static size_t n_files, n_keys, next_key, n_said;
static struct kg_efi_key keys[KEYS_MAX];
static struct kg_uefi_handover handover;
static uint8_t device_path[256];
static bool is_server;
static void *back[5];
static uint64_t now, key_taken;
static uint16_t start_options[256];
static struct {
    kg_efi_notify notify;
    void *context;
    uint64_t period, due; /* in ticks */
    bool runs;
} timer;

/* The timer's call interrupts whatever runs, but not itself. */
static void pass_time(uint64_t us)
{
    uint64_t end = now + us;
    while (timer.notify && !timer.runs && timer.period && timer.due <= end) {
        now = timer.due > now ? timer.due : now;
        timer.due += timer.period;
        timer.runs = true;
        timer.notify(&timer, timer.context);
        timer.runs = false;
    }
    now = end > now ? end : now;
}

/* A millisecond has 1,000 ticks. */
uint64_t kg_uefi_ticks(void)
{
    pass_time(200);
    if (++world.calls > CALLS_BEFORE_GIVING_UP) {
        __builtin_longjmp(back, 1);
    }
    return now;
}

/* The menu has to measure it. */
uint64_t kg_uefi_ticks_hz(void)
{
    return 0;
}

static kg_efi_status KG_EFIAPI stall(uint64_t us)
{
    pass_time(world.slow_stalls ? 6 * us : us);
    world.slow_stalls -= world.slow_stalls > 0;
    if (next_key == n_keys && ++world.calls > CALLS_BEFORE_GIVING_UP / 20) {
        __builtin_longjmp(back, 1);
    }
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI give_pages(uint32_t how, uint32_t type, uint64_t pages, uint64_t *address)
{
    (void)how;
    (void)type;
    if (pages > (world.memory_end - world.memory) / KG_UEFI_PAGE) {
        return KG_EFI_OUT_OF_RESOURCES;
    }
    *address = world.memory;
    world.memory += pages * KG_UEFI_PAGE;
    world.pages += pages;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI take_pages(uint64_t address, uint64_t pages)
{
    (void)address;
    world.pages -= pages;
    return KG_EFI_SUCCESS;
}

static const struct made_file *find_made(const char *path)
{
    for (size_t i = 0; i < n_files; i++) {
        size_t at = 0;
        while (files[i].path[at] && files[i].path[at] == path[at]) {
            at++;
        }
        if (files[i].path[at] == path[at]) {
            return &files[i];
        }
    }
    return NULL;
}

/* What is fetched from the server. */
static const struct made_file *asked;
static uint32_t asked_method;
static uint64_t sent;
static bool is_done;

static kg_efi_status KG_EFIAPI create_event(uint32_t type, uint64_t tpl, kg_efi_notify notify, void *context,
                                            kg_efi_event *event)
{
    (void)tpl;
    *event = &is_done;
    if (type & KG_EFI_EVENT_TIMER) {
        timer.notify = notify;
        timer.context = context;
        *event = &timer;
    }
    world.events++;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI set_timer(kg_efi_event event, uint32_t how, uint64_t in_100_ns)
{
    (void)event;
    timer.period = how == KG_EFI_TIMER_PERIODIC ? in_100_ns / 10 : 0;
    timer.due = now + timer.period;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI close_event(kg_efi_event event)
{
    if (event == &timer) {
        timer.notify = NULL;
    }
    world.events--;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI check_event(kg_efi_event event)
{
    bool done = *(bool *)event && !world.silent && world.requests <= world.silent_after;
    *(bool *)event = false;
    return done ? KG_EFI_SUCCESS : KG_EFI_NOT_READY;
}

#endif

/* Of a fuzzed application: a machine without devices: no pictures, no disks, and a network that reaches nothing. */
#include "kgpt/device.h"
#include "kgpt/dial.h"
#include "kgpt/platform.h"
#include "promise.h"

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

void plat_pci_use(enum kg_pci_use use)
{
    promise(use <= KG_PCI_ALL);
}

void plat_net_off(void)
{
}

void plat_usb_off(void)
{
}

void plat_disks_off(void)
{
}

struct kg_unit *kg_unit_find(enum kg_unit_kind kind, uint32_t n)
{
    (void)kind;
    (void)n;
    return NULL;
}

bool kg_block_read(struct kg_unit *unit, uint64_t first, uint64_t n, void *to)
{
    (void)unit;
    (void)first;
    (void)n;
    (void)to;
    return false;
}

struct kg_search plat_search(void)
{
    return (struct kg_search){.done = false};
}

const struct kg_device *plat_devices(void)
{
    return NULL;
}

void plat_poll(void)
{
}

void kg_block_begin(struct kg_unit *unit, struct kg_block_request *request, uint64_t first, uint32_t n, void *to)
{
    (void)unit;
    (void)first;
    (void)n;
    (void)to;
    request->state = KG_BLOCK_FAILED;
}

enum kg_block_state kg_block_check(struct kg_unit *unit, struct kg_block_request *request)
{
    (void)unit;
    return request->state;
}

bool kg_block_wait(struct kg_unit *unit, struct kg_block_request *request)
{
    return kg_block_check(unit, request) == KG_BLOCK_DONE;
}

bool kg_block_open(struct kg_unit *unit, uint64_t first, uint64_t n)
{
    (void)unit;
    (void)first;
    (void)n;
    return false;
}

bool kg_block_write(struct kg_unit *unit, uint64_t first, uint64_t n, const void *from)
{
    (void)unit;
    (void)first;
    (void)n;
    (void)from;
    return false;
}

const struct kg_connections *plat_connections(uint32_t port, struct kg_arena *arena, struct kg_error *error)
{
    (void)port;
    (void)arena;
    kg_error_set(error, KG_E_INPUT, "there is no network");
    kg_error_hint(error, "do without");
    return NULL;
}

/* A network that reaches nothing; fuzz_get.c and fuzz_tftp.c have servers. Its clock runs fast: nobody waits. */
static uint64_t no_dial_now(void *context)
{
    static uint64_t now;
    (void)context;
    return now += 1000;
}

static void resolve_no_name(void *context, const char *name)
{
    (void)context;
    (void)name;
}

static enum kg_dial_state no_name(void *context, uint32_t *address, const char **problem)
{
    (void)context;
    *address = 0;
    *problem = "there is no network";
    return KG_DIAL_FAILED;
}

static void connect_nowhere(void *context, uint32_t address, uint16_t port)
{
    (void)context;
    (void)address;
    (void)port;
}

static enum kg_dial_state no_connection(void *context, const char **problem)
{
    (void)context;
    *problem = "there is no network";
    return KG_DIAL_FAILED;
}

static void close_nothing(void *context)
{
    (void)context;
}

static bool open_no_port(void *context)
{
    (void)context;
    return false;
}

static void wait_for_nothing(void *context, uint32_t ms)
{
    (void)context;
    (void)ms;
}

const struct kg_dial *plat_dial(void)
{
    static const struct kg_dial none = {.now_ms = no_dial_now,
                                        .resolve = resolve_no_name,
                                        .resolved = no_name,
                                        .connect = connect_nowhere,
                                        .state = no_connection,
                                        .close = close_nothing,
                                        .open_port = open_no_port,
                                        .close_port = close_nothing,
                                        .wait = wait_for_nothing};
    return &none;
}

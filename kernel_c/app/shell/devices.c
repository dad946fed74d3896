/* The shell commands `devices` and `disks`, in kernels with drivers. */
#include "app/events/events.h"
#include "app/events/print.h"
#include "app/events/statusline.h"
#include "kgpt/crc32.h"
#include "kgpt/device.h"
#include "kgpt/parse.h"
#include "kgpt/platform.h"
#include "kgpt/reply.h"
#include "kgpt/str.h"
#include "shell.h"

#define MEGABYTE (1u << 20)
#define MEGABYTES 64u /* that `disks NAME` reads */

static void print_behind(const struct kg_device *device)
{
    char text[80];
    bool has = device->driver && !device->problem && device->driver->describe;
    for (uint32_t i = 0; has && device->driver->describe(device, i, text, sizeof text); i++) {
        kg_print("  %s\n", text);
    }
}

#define MOST_KEYBOARDS 16u

/* The names of all keyboards. */
struct keyboards {
    char text[MOST_KEYBOARDS][24];
    const char *names[MOST_KEYBOARDS];
    uint32_t n, changes;
    uint64_t found; /* ticks until the first one on USB worked */
};

static void list_keyboards(const struct kgpt *k, struct keyboards *list)
{
    struct kg_unit *unit;
    list->n = list->changes = 0;
    list->found = 0;
    if (k->info->has_keyboard) {
        list->names[list->n++] = "i8042";
    }
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_INPUT, i)) != NULL; i++) {
        list->changes += unit->input.changes;
        list->found = list->found ? list->found : unit->input.found;
        for (uint32_t j = 0; list->n < MOST_KEYBOARDS; j++) {
            char *text = list->text[list->n];
            if (!unit->input.name(unit, j, text, sizeof list->text[0])) {
                break;
            }
            list->names[list->n++] = text;
        }
    }
}

void kg_keyboards_tell(void *context)
{
    struct kgpt *k = context;
    struct keyboards list;
    struct kg_search search = plat_search();
    uint64_t hz = plat_ticks_hz();
    if (!search.done) { /* a search takes time, and this is called often */
        return;
    }
    list_keyboards(k, &list);
    if (list.changes == k->keyboard_changes) {
        return;
    }
    k->keyboard_changes = list.changes;
    KG_EMIT(keyboards, .names = {list.names, list.n}, .search_us = kg_ticks_to_us(search.ticks, hz),
            .usb_us = kg_ticks_to_us(search.usb_ticks, hz), .found_us = kg_ticks_to_us(list.found, hz));
    if (list.n) {
        kg_statusline(k, "keyboard: %s", list.names[list.n - 1]);
    } else {
        kg_statusline(k, "no keyboard");
    }
}

/* In milliseconds. Without floats: this file is compiled without them. */
static void print_time(const char *before, uint64_t ticks, const char *behind)
{
    unsigned long long us = kg_ticks_to_us(ticks, plat_ticks_hz());
    kg_print("%s %llu.%llu%s", before, us / 1000, us % 1000 / 100, behind);
}

/* The keyboards, and how long all that was looked for. */
static void print_search(const struct kgpt *k)
{
    struct keyboards list;
    struct kg_search search = plat_search();
    list_keyboards(k, &list);
    kg_print("keyboards:");
    for (uint32_t i = 0; i < list.n; i++) {
        kg_print("%s %s", i ? "," : "", list.names[i]);
    }
    kg_print(list.n ? "\n" : " none\n");
    print_time("the search took", search.ticks, " ms");
    if (search.usb_ticks) {
        print_time(",", search.usb_ticks, " ms of them to start USB");
    }
    if (list.found) {
        print_time("; a USB keyboard worked", list.found, " ms later");
    }
    kg_print("\n");
}

static enum kg_next run_devices(struct kgpt *k, char *arguments)
{
    (void)arguments;
    const struct kg_device *device = plat_devices();
    if (!device) {
        kg_print("no devices were found\n");
    }
    for (; device; device = device->next) {
        const struct kg_pci *pci = &device->pci;
        if (device->mapped) {
            kg_print("at %08llx   %04x:%04x  on no bus", (unsigned long long)device->bars[0].base, pci->vendor,
                     pci->device);
        } else {
            kg_print("%04x:%02x:%02x.%u  %04x:%04x  class %06x", pci->address >> 16, pci->address >> 8 & 0xFF,
                     pci->address >> 3 & 31, pci->address & 7, pci->vendor, pci->device, pci->class_code);
        }
        if (device->driver) {
            kg_print("  %s: %s", device->driver->name, device->problem ? device->problem : "works");
        }
        kg_print("\n");
        print_behind(device);
    }
    print_search(k);
    return KG_NEXT_LINE;
}

static void print_disk(const struct kg_block *block)
{
    uint64_t size = block->sectors * block->sector_size / MEGABYTE;
    kg_print("%-9s %'9llu MB  sectors of %u%s  %s\n", block->name, (unsigned long long)size, block->sector_size,
             block->writable ? "" : "  read-only", block->model);
}

static struct kg_unit *find_disk(const char *name)
{
    struct kg_unit *unit = NULL;
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_BLOCK, i)) != NULL && !kg_streq(unit->block.name, name); i++) {
    }
    return unit;
}

/* Reads the first megabytes of a disk, and tells their CRC-32 and the speed. */
static void read_disk(struct kgpt *k, struct kg_unit *unit, uint64_t megabytes)
{
    const struct kg_block *block = &unit->block;
    uint64_t n = megabytes * (MEGABYTE / block->sector_size), used = k->arena.used;
    n = n < block->sectors ? n : block->sectors;
    uint64_t bytes = n * block->sector_size;
    uint8_t *to = kg_arena_take(&k->arena, bytes);
    if (!to) {
        kg_print("no memory is left for %llu bytes: give fewer megabytes\n", (unsigned long long)bytes);
        return;
    }
    uint64_t start = plat_ticks();
    bool ok = kg_block_read(unit, 0, n, to);
    uint64_t us = kg_ticks_to_us(plat_ticks() - start, plat_ticks_hz());
    if (ok) {
        kg_print("%s: %llu bytes, CRC-32 %08x", block->name, (unsigned long long)bytes, kg_crc32(to, bytes));
        kg_print(", read at %llu MB/s\n", (unsigned long long)(bytes / (us ? us : 1)));
    } else {
        kg_print("%s: reading failed%s%s\n", block->name, unit->device->problem ? ": " : "",
                 unit->device->problem ? unit->device->problem : "");
    }
    kg_arena_rewind(&k->arena, used);
}

static enum kg_next run_disks(struct kgpt *k, char *arguments)
{
    uint64_t megabytes = MEGABYTES;
    char *number = arguments;
    while (*number && *number != ' ') {
        number++;
    }
    if (*number) {
        *number++ = '\0';
    }
    if (*number && (!kg_parse_u64(number, &megabytes) || !megabytes || megabytes > UINT32_MAX)) {
        kg_print("%s is no number of megabytes\n", number);
        return KG_NEXT_LINE;
    }
    struct kg_unit *unit = *arguments ? find_disk(arguments) : kg_unit_find(KG_UNIT_BLOCK, 0);
    if (!unit) {
        kg_print(*arguments ? "there is no disk %s\n" : "no disks were found\n", arguments);
    } else if (*arguments) {
        read_disk(k, unit, megabytes);
    } else {
        for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_BLOCK, i)) != NULL; i++) {
            print_disk(&unit->block);
        }
    }
    return KG_NEXT_LINE;
}

const struct kg_command kg_device_commands[] = {
    {"disks", "[NAME [MB]]", "the disks; with a name, reads its first megabytes: CRC-32 and speed", run_disks, NULL,
     KG_SHELL},
    {"devices", "", "the devices on PCI buses, and those that a driver uses", run_devices, NULL, KG_SHELL},
    {0},
};

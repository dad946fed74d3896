/* The UEFI loader with made-up firmware, for ctypes. */
#include "../../kernel_c/platform/boot/boot_info.c"
#include "../../kernel_c/platform/boot/uefi.c"
#include "../../kernel_c/uefi/clock.c"
#include "../../kernel_c/uefi/firmware.c"
#include "../../kernel_c/uefi/kernel_place.c"
#include "../../kernel_c/uefi/load_options.c"
#include "../../kernel_c/uefi/memory_map.c"
#include "../../kernel_c/uefi/picture.c"
#include "../../kernel_c/uefi/start.c"
#include "../../kernel_c/uefi/x86_64/ramp.c"

#define IMAGE_PAGES 4
#define MOST_MEMORY 8192
#define MOST_SAID 4096

__asm__(".pushsection .rodata\n.globl kg_uefi_ramp_begin, kg_uefi_ramp_end\n"
        "kg_uefi_ramp_begin: .ascii \"ramp\"\nkg_uefi_ramp_end:\n.popsection");

/* What Python sets, and what it reads. All numbers are 64 bits wide, so that ctypes needs no padding. */
struct firmware {
    uint64_t room, room_end, place; /* memory that the made-up firmware gives */
    uint64_t place_is_taken;        /* the kernel's place cannot be allocated as a whole */
    uint64_t allocations_left;      /* then there is no memory */
    uint64_t exits_refused;         /* so many calls of ExitBootServices fail */
    uint64_t map_grows;             /* each call of GetMemoryMap has a descriptor more */
    uint64_t step;                  /* bytes of a descriptor */
    uint64_t no_map, no_loaded_image;
    uint64_t protection; /* 1: memory attributes, 2: they fail */
    uint64_t watchdog, exits, n_memory, entered, entry, ramp, executable;
};

struct firmware firmware;
struct kg_efi_memory memory[MOST_MEMORY];
struct kg_efi_gop_info gop_info;
struct kg_efi_gop_mode gop_mode = {.info = &gop_info};
struct kg_efi_gop gop = {.mode = &gop_mode};
struct kg_efi_configuration configurations[3] = {
    {KG_EFI_ACPI_10_GUID, NULL}, {KG_EFI_ACPI_20_GUID, NULL}, {KG_EFI_DEVICE_TREE_GUID, NULL}};
struct kg_efi_loaded_image loaded;
char said[MOST_SAID];
struct kg_boot boot;
static struct kg_uefi_handover handed;
static uint8_t image[IMAGE_PAGES * 4096] __attribute__((aligned(4096)));
static size_t n_said;
static bool has_gop;
static uint64_t key;
static void *back[5];

/* The menu has tests of its own. */
void kg_uefi_boot_menu(struct kg_uefi *u)
{
    (void)u;
}

void kg_uefi_enter(uint64_t ramp, uint64_t entry, uint64_t info)
{
    firmware.entered = 1;
    firmware.ramp = ramp, firmware.entry = entry;
    kg_uefi_read(&boot, (uint32_t)info);
    handed = *(const struct kg_uefi_handover *)info;
    __builtin_longjmp(back, 1);
}

static kg_efi_status KG_EFIAPI allocate(uint32_t how, uint32_t type, uint64_t pages, uint64_t *address)
{
    (void)type;
    key++;
    if (how == KG_EFI_ALLOCATE_ADDRESS) {
        return firmware.place_is_taken ? KG_EFI_NOT_FOUND : KG_EFI_SUCCESS;
    }
    if (!firmware.allocations_left || firmware.room_end - firmware.room < pages * 4096 ||
        (how == KG_EFI_ALLOCATE_MAX && firmware.room + pages * 4096 - 1 > *address)) {
        return KG_EFI_OUT_OF_RESOURCES;
    }
    firmware.allocations_left--;
    *address = firmware.room;
    firmware.room += pages * 4096;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI get_map(uint64_t *size, void *map, uint64_t *out, uint64_t *step, uint32_t *version)
{
    uint64_t needed = firmware.n_memory * firmware.step;
    if (firmware.no_map) {
        return KG_EFI_DEVICE_ERROR;
    }
    *step = firmware.step;
    *version = 1;
    if (*size < needed) {
        *size = needed;
        return KG_EFI_BUFFER_TOO_SMALL;
    }
    *size = needed;
    for (uint64_t i = 0; map && i < firmware.n_memory; i++) {
        *(struct kg_efi_memory *)((uint8_t *)map + i * firmware.step) = memory[i];
    }
    if (firmware.map_grows && firmware.n_memory < MOST_MEMORY) {
        memory[firmware.n_memory++] = (struct kg_efi_memory){.type = KG_EFI_RESERVED_MEMORY};
    }
    *out = key;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI leave(kg_efi_handle handle, uint64_t with)
{
    (void)handle;
    firmware.exits++;
    if (firmware.exits_refused) {
        firmware.exits_refused--;
        key++;
        return KG_EFI_INVALID_PARAMETER;
    }
    return with == key ? KG_EFI_SUCCESS : KG_EFI_INVALID_PARAMETER;
}

static kg_efi_status KG_EFIAPI handle_protocol(kg_efi_handle handle, const struct kg_efi_guid *guid, void **found)
{
    (void)guid;
    *found = &loaded;
    return handle && !firmware.no_loaded_image ? KG_EFI_SUCCESS : KG_EFI_UNSUPPORTED;
}

static kg_efi_status KG_EFIAPI protect(struct kg_efi_memory_attribute *self, uint64_t at, uint64_t size, uint64_t which)
{
    (void)self;
    (void)size;
    firmware.executable = which == KG_EFI_MEMORY_XP ? at : firmware.executable;
    return firmware.protection == 2 ? KG_EFI_UNSUPPORTED : KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI locate(const struct kg_efi_guid *guid, void *registration, void **found)
{
    static const struct kg_efi_guid of_gop = KG_EFI_GOP_GUID, attribute = KG_EFI_MEMORY_ATTRIBUTE_GUID;
    static struct kg_efi_memory_attribute protection;
    (void)registration;
    protection.set = protection.clear = protect;
    if (guid->a == of_gop.a && has_gop) {
        *found = &gop;
        return KG_EFI_SUCCESS;
    }
    *found = &protection;
    return guid->a == attribute.a && firmware.protection ? KG_EFI_SUCCESS : KG_EFI_NOT_FOUND;
}

static kg_efi_status KG_EFIAPI set_watchdog(uint64_t seconds, uint64_t code, uint64_t size, uint16_t *text)
{
    (void)code;
    (void)size;
    (void)text;
    firmware.watchdog = seconds;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI write_text(struct kg_efi_text_output *self, const uint16_t *text)
{
    (void)self;
    for (; *text && n_said < sizeof said - 1; text++) {
        said[n_said++] = (char)*text;
    }
    return KG_EFI_SUCCESS;
}

/* Sets a machine of 64 MB at `room`, which is memory of the process below 4 GiB. */
void driver_begin(uint64_t room, uint64_t size);
void driver_begin(uint64_t room, uint64_t size)
{
    static const struct firmware nothing;
    static const struct kg_boot no_boot;
    boot = no_boot;
    firmware = nothing;
    firmware.place = room, firmware.room = room + IMAGE_PAGES * 4096, firmware.room_end = room + size;
    firmware.allocations_left = UINT64_MAX, firmware.step = 48, firmware.watchdog = UINT64_MAX;
    for (size_t i = 0; i < sizeof said; i++) {
        said[i] = '\0';
    }
    n_said = 0;
    key = 1;
    has_gop = false;
    struct kg_uefi_stub *stub = (struct kg_uefi_stub *)image;
    stub->kernel_offset = 4096;
    stub->kernel_size = 2 * 4096 + 5;
    stub->kernel_linked = (uint32_t)room;
    stub->kernel_entry = (uint32_t)room + 8;
    for (size_t i = 4096; i < sizeof image; i++) {
        image[i] = (uint8_t)(i * 7 + i / 4096);
    }
    static const uint32_t addresses[] = {1, 4099, 2 * 4096 + 1, 17, 4093};
    stub->addresses_offset = 1024, stub->n_addresses32 = 3, stub->n_addresses64 = 2;
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        ((uint32_t *)(image + 1024))[i] = addresses[i];
    }
    loaded = (struct kg_efi_loaded_image){.base = image};
    configurations[0].table = configurations[1].table = configurations[2].table = NULL;
}

void driver_memory(uint32_t type, uint64_t base, uint64_t pages, uint64_t attributes);
void driver_memory(uint32_t type, uint64_t base, uint64_t pages, uint64_t attributes)
{
    memory[firmware.n_memory++] = (struct kg_efi_memory){type, base, 0, pages, attributes};
}

void driver_gop(uint32_t format, uint32_t width, uint32_t height, uint32_t line, uint64_t base, const uint32_t *masks);
void driver_gop(uint32_t format, uint32_t width, uint32_t height, uint32_t line, uint64_t base, const uint32_t *masks)
{
    has_gop = true;
    gop_info = (struct kg_efi_gop_info){0, width, height, format, masks[0], masks[1], masks[2], masks[3], line};
    gop_mode.base = base;
}

void driver_options(void *bytes, uint32_t size);
void driver_options(void *bytes, uint32_t size)
{
    loaded.load_options = bytes;
    loaded.load_options_size = size;
}

void driver_tables(void *older, void *newer, void *tree);
void driver_tables(void *older, void *newer, void *tree)
{
    configurations[2].table = tree;
    configurations[0].table = older;
    configurations[1].table = newer;
}

static struct kg_efi_time now;
static kg_efi_status time_status;
static struct kg_efi_runtime_services runtime;

static kg_efi_status KG_EFIAPI get_time(struct kg_efi_time *time, void *capabilities)
{
    (void)capabilities;
    *time = now;
    return time_status;
}

/* `numbers`: year to second, minutes that UTC is ahead. NULL: there is no such function. */
void driver_time(const int32_t numbers[7], uint64_t status);
void driver_time(const int32_t numbers[7], uint64_t status)
{
    runtime.get_time = numbers ? get_time : NULL;
    time_status = status;
    if (numbers) {
        now = (struct kg_efi_time){.year = (uint16_t)numbers[0],
                                   .month = (uint8_t)numbers[1],
                                   .day = (uint8_t)numbers[2],
                                   .hour = (uint8_t)numbers[3],
                                   .minute = (uint8_t)numbers[4],
                                   .second = (uint8_t)numbers[5],
                                   .zone = (int16_t)numbers[6]};
    }
}

uint64_t driver_told_time(void);
uint64_t driver_told_time(void)
{
    return handed.time;
}

/* Runs the loader to the kernel's entry or to its refusal. */
uint64_t driver_boot(void);
uint64_t driver_boot(void)
{
    static struct kg_efi_boot_services services;
    static struct kg_efi_text_output out;
    static struct kg_efi_system_table table;
    services.allocate_pages = allocate;
    services.get_memory_map = get_map;
    services.exit_boot_services = leave;
    services.handle_protocol = handle_protocol;
    services.locate_protocol = locate;
    services.set_watchdog = set_watchdog;
    out.write = write_text;
    table.boot = &services;
    table.runtime = &runtime;
    table.console_out = &out;
    table.configurations = configurations;
    table.n_configurations = 3;
    if (__builtin_setjmp(back)) {
        return KG_EFI_SUCCESS;
    }
    return kg_efi_start(&loaded, &table);
}

/* Copies the kernel's bytes as the file has them, and as they lie at its entry. */
void driver_kernel(uint8_t *in_file, uint8_t *loaded_bytes);
void driver_kernel(uint8_t *in_file, uint8_t *loaded_bytes)
{
    for (size_t i = 0; i < 2 * 4096 + 5; i++) {
        in_file[i] = image[4096 + i];
        loaded_bytes[i] = ((const uint8_t *)(firmware.entry - 8))[i];
    }
}

const char *driver_cmdline(void);
const char *driver_cmdline(void)
{
    return boot.cmdline;
}

const char *driver_excess(void);
const char *driver_excess(void)
{
    return boot.excess;
}

uint64_t driver_region(uint64_t i, uint64_t *size);
uint64_t driver_region(uint64_t i, uint64_t *size)
{
    *size = i < boot.n_regions ? boot.regions[i].size : 0;
    return i < boot.n_regions ? boot.regions[i].base : 0;
}

uint64_t driver_framebuffer(uint32_t *type, struct kg_pixel_format *format);
uint64_t driver_framebuffer(uint32_t *type, struct kg_pixel_format *format)
{
    *type = boot.framebuffer.type;
    *format = boot.framebuffer.format;
    return boot.framebuffer.base;
}

uint64_t driver_rsdp(void);
uint64_t driver_rsdp(void)
{
    return boot.rsdp;
}

uint64_t driver_tree(void);
uint64_t driver_tree(void)
{
    return handed.tree;
}

uint64_t driver_has_memory(uint64_t gib);
uint64_t driver_has_memory(uint64_t gib)
{
    return handed.memory[gib / 64] >> gib % 64 & 1;
}

/* The boot menu of kgpt.efi and its files, with a made-up medium or server, for ctypes. */
#define KGPT_VERSION "1.2"

#include "../../kernel_c/platform/boot/boot_info.c"
#include "../../kernel_c/uefi/boot_offer.c"
#include "../../kernel_c/uefi/device_path.c"
#include "../../kernel_c/uefi/files/http.c"
#include "../../kernel_c/uefi/files/server.c"
#include "../../kernel_c/uefi/files/stick_files.c"
#include "../../kernel_c/uefi/files/tftp.c"
#include "../../kernel_c/uefi/files/volume.c"
#include "../../kernel_c/uefi/firmware.c"
#include "../../kernel_c/uefi/menu/boot_menu.c"
#include "../../kernel_c/uefi/menu/menu_program.c"
#include "../../kernel_c/uefi/picture.c"
#include "../../kernel_c/uefi/screen/menu_picture.c"
#include "../../kernel_c/uefi/screen/menu_screen.c"
#include "../../kernel_c/uefi/screen/picture_mode.c"

#include "stick_console.h"
#include "stick_http.h"
#include "stick_medium.h"
#include "stick_tftp.h"
#include "stick_world.h"

static struct kg_efi_loaded_image loaded, program;
static struct kg_efi_text_output out;
static char serial; /* a handle */

static kg_efi_status KG_EFIAPI load_image(bool policy, kg_efi_handle parent, void *path, void *source, uint64_t size,
                                          kg_efi_handle *image)
{
    (void)policy;
    (void)parent;
    (void)path;
    (void)source;
    (void)size;
    *image = &program;
    return world.load_status;
}

static kg_efi_status KG_EFIAPI start_image(kg_efi_handle image, uint64_t *exit_size, uint16_t **exit_text)
{
    (void)image;
    (void)exit_size;
    (void)exit_text;
    world.started++;
    memcpy(start_options, program.load_options, program.load_options_size);
    __builtin_longjmp(back, 1);
}

static kg_efi_status KG_EFIAPI protocol_of(kg_efi_handle handle, const struct kg_efi_guid *guid, void **found)
{
    static const struct kg_efi_guid of_volume = KG_EFI_SIMPLE_FILE_SYSTEM_GUID, of_path = KG_EFI_DEVICE_PATH_GUID,
                                    of_http = KG_EFI_HTTP_GUID, of_service = KG_EFI_HTTP_SERVICE_GUID,
                                    of_image = KG_EFI_LOADED_IMAGE_GUID, of_pxe = KG_EFI_PXE_BASE_CODE_GUID,
                                    of_tftp = KG_EFI_MTFTP4_GUID, of_tftp_service = KG_EFI_MTFTP4_SERVICE_GUID;
    static struct kg_efi_simple_file_system volume = {0, open_volume};
    static const struct kg_efi_guid of_text = KG_EFI_TEXT_OUTPUT_GUID;
    static struct kg_efi_service_binding service = {create_child, destroy_child};
    static uint8_t uart[] = {3, 14, 19, 0, [15] = 8, [16] = 1, [17] = 1, [19] = 0x7F, 0xFF, 4, 0};
    if (handle == &serial) {
        *found = guid->a == of_text.a ? (void *)&out : (void *)uart;
        return KG_EFI_SUCCESS;
    }
    *found = guid->a == of_volume.a && !is_server            ? (void *)&volume
             : guid->a == of_path.a                          ? (void *)device_path
             : guid->a == of_http.a && handle == &http       ? (void *)&http
             : guid->a == of_service.a && handle == &service ? (void *)&service
             : guid->a == of_image.a                         ? (void *)&program
             : guid->a == of_service.a                       ? (void *)&service
             : guid->a == of_pxe.a && is_pxe                 ? (void *)&pxe
             : guid->a == of_tftp.a && handle == &http       ? (void *)&tftp
             : guid->a == of_tftp_service.a && is_pxe        ? (void *)&service
                                                             : NULL;
    return *found ? KG_EFI_SUCCESS : KG_EFI_UNSUPPORTED;
}

static kg_efi_status KG_EFIAPI locate_path(const struct kg_efi_guid *guid, void **path, kg_efi_handle *device)
{
    (void)path;
    *device = &http;
    (void)guid;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI no_protocol(const struct kg_efi_guid *guid, void *registration, void **found)
{
    (void)guid;
    (void)registration;
    (void)found;
    return KG_EFI_NOT_FOUND;
}

static kg_efi_status KG_EFIAPI find_handles(uint32_t how, const struct kg_efi_guid *guid, void *registration,
                                            uint64_t *n, kg_efi_handle **handles)
{
    static kg_efi_handle found[] = {&http, &serial};
    (void)how;
    (void)guid;
    (void)registration;
    *n = world.has_serial ? 2 : 1;
    *handles = found;
    return KG_EFI_SUCCESS;
}

void driver_begin(uint64_t memory, uint64_t size, const uint8_t *path, size_t path_size, bool server);
void driver_begin(uint64_t memory, uint64_t size, const uint8_t *path, size_t path_size, bool server)
{
    memset(&world, 0, sizeof world);
    memset(&handover, 0, sizeof handover);
    memset(opened, 0, sizeof opened);
    memset(start_options, 0, sizeof start_options);
    memset(said, 0, n_said);
    world.memory = memory, world.memory_end = memory + size;
    world.most_bytes = world.fails_after = world.served_size = world.silent_after = UINT64_MAX;
    n_files = n_keys = next_key = n_said = 0;
    now = key_taken = 0;
    memset(&timer, 0, sizeof timer);
    is_server = server;
    is_pxe = false;
    memcpy(device_path, path, path_size);
}

void driver_file(const char *path, const uint8_t *bytes, uint64_t n);
void driver_file(const char *path, const uint8_t *bytes, uint64_t n)
{
    kg_format(files[n_files].path, sizeof files[n_files].path, "%s", path);
    files[n_files].bytes = bytes;
    files[n_files++].n = n;
}

void driver_key(uint16_t scan, uint16_t character);
void driver_key(uint16_t scan, uint16_t character)
{
    keys[n_keys++] = (struct kg_efi_key){scan, character};
}

void driver_words(const char *words);
void driver_words(const char *words)
{
    kg_boot_set_cmdline(&handover.boot, words);
}

/* True if the loader goes on to the kernel; false if it waits for a key, or has started another program. */
bool driver_run(void);
bool driver_run(void)
{
    static struct kg_efi_boot_services services;
    static struct kg_efi_text_input in;
    static const struct kg_efi_text_mode mode;
    static struct kg_efi_system_table table;
    services = (struct kg_efi_boot_services){.allocate_pages = give_pages,
                                             .free_pages = take_pages,
                                             .stall = stall,
                                             .handle_protocol = protocol_of,
                                             .locate_protocol = no_protocol,
                                             .locate_device_path = locate_path,
                                             .locate_handles = find_handles,
                                             .load_image = load_image,
                                             .start_image = start_image,
                                             .create_event = create_event,
                                             .set_timer = set_timer,
                                             .close_event = close_event,
                                             .check_event = check_event,
                                             .free_pool = give_pool};
    http = (struct kg_efi_http){
        .configure = configure, .request = request, .cancel = cancel, .response = respond, .poll = poll_http};
    out = (struct kg_efi_text_output){.write = write_text,
                                      .query_mode = ask_mode,
                                      .set_attribute = set_attribute,
                                      .clear = do_nothing,
                                      .set_cursor = set_cursor,
                                      .enable_cursor = enable_cursor,
                                      .mode = &mode};
    in.read_key = read_key;
    table = (struct kg_efi_system_table){.console_in = &in, .console_out = &out, .boot = &services};
    loaded.device = &loaded;
    struct kg_uefi u = {.system = &table, .loaded = &loaded, .handover = &handover};
    if (__builtin_setjmp(back)) {
        return false;
    }
    kg_uefi_boot_menu(&u);
    return true;
}

/* When the last key was taken, in ticks since the machine was switched on: 1,000 are a millisecond. */
uint64_t driver_key_taken(void);
uint64_t driver_key_taken(void)
{
    return key_taken;
}

size_t driver_modules(void);
size_t driver_modules(void)
{
    return handover.boot.n_modules;
}

const uint8_t *driver_module(size_t i, uint64_t *size, const char **name, bool *checked);
const uint8_t *driver_module(size_t i, uint64_t *size, const char **name, bool *checked)
{
    const struct kg_module *module = &handover.boot.modules[i];
    *size = module->size;
    *name = module->name;
    *checked = module->checked;
    return (const uint8_t *)module->base;
}

const char *driver_cmdline(void);
const char *driver_cmdline(void)
{
    return handover.boot.cmdline;
}

const uint16_t *driver_options(void);
const uint16_t *driver_options(void)
{
    return start_options;
}

/* Gives the machine a framebuffer of 32 bits a pixel. */
void driver_picture(uint8_t *pixels, uint32_t width, uint32_t height);
void driver_picture(uint8_t *pixels, uint32_t width, uint32_t height)
{
    handover.boot.framebuffer = (struct kg_framebuffer){
        .type = KG_FRAMEBUFFER_RGB,
        .base = (uintptr_t)pixels,
        .format = {4 * width, width, height, 32, 16, 8, 8, 8, 0, 8},
    };
}

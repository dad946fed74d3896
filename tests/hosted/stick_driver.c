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
#include <stdint.h>

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

/* The medium. */

static kg_efi_status KG_EFIAPI open_file(struct kg_efi_file *self, struct kg_efi_file **out, const uint16_t *name,
                                         uint64_t mode, uint64_t attributes);

static kg_efi_status KG_EFIAPI close_file(struct kg_efi_file *self)
{
    (void)self;
    world.children--;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI read_made(struct kg_efi_file *self, uint64_t *size, void *to)
{
    struct open_file *open = (struct open_file *)self;
    if (!open->file) { /* a folder: each file below it */
        struct kg_efi_file_info *info = to;
        static const char folder[] = "/models/";
        for (*size = 0; open->at < n_files && *size == 0; open->at++) {
            const char *path = files[open->at].path;
            for (size_t i = 0; kg_str_starts(path, folder) && i <= kg_strlen(path) - (sizeof folder - 1); i++) {
                info->name[i] = (uint8_t)path[sizeof folder - 1 + i];
                *size = sizeof *info;
            }
        }
        return KG_EFI_SUCCESS;
    }
    uint64_t left = open->file->n - open->at, n = *size < left ? *size : left;
    n = n < world.most_bytes ? n : world.most_bytes;
    if (open->at + n > world.fails_after) {
        return KG_EFI_DEVICE_ERROR;
    }
    memcpy(to, open->file->bytes + open->at, n);
    open->at += n;
    *size = n;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI tell_info(struct kg_efi_file *self, const struct kg_efi_guid *kind, uint64_t *size,
                                         void *to)
{
    (void)kind;
    *size = sizeof(struct kg_efi_file_info);
    const struct made_file *file = ((struct open_file *)self)->file;
    *(struct kg_efi_file_info *)to =
        (struct kg_efi_file_info){.file_size = file ? file->n : 0, .attributes = file ? 0 : KG_EFI_FILE_DIRECTORY};
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI open_file(struct kg_efi_file *self, struct kg_efi_file **out, const uint16_t *name,
                                         uint64_t mode, uint64_t attributes)
{
    (void)self;
    (void)mode;
    (void)attributes;
    char path[128];
    size_t n = 0, i = 0;
    for (; name[n] && n + 1 < sizeof path; n++) {
        path[n] = name[n] == '\\' ? '/' : (char)name[n];
    }
    path[n] = '\0';
    const struct made_file *file = find_made(path);
    if (!file && !kg_streq(path, "/models")) {
        return KG_EFI_NOT_FOUND;
    }
    while (opened[i].calls.read && opened[i].file && i + 1 < FILES_MAX) {
        i++;
    }
    opened[i] =
        (struct open_file){{.open = open_file, .close = close_file, .read = read_made, .get_info = tell_info}, file, 0};
    world.children++;
    *out = &opened[i].calls;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI open_volume(struct kg_efi_simple_file_system *self, struct kg_efi_file **root)
{
    (void)self;
    static struct kg_efi_file calls;
    calls.open = open_file;
    *root = &calls;
    return KG_EFI_SUCCESS;
}

/* The server: one connection at a time. */

static const struct made_file *asked;
static uint32_t asked_method;
static uint64_t sent;
static bool is_done;
static struct kg_efi_http http;

static kg_efi_status KG_EFIAPI create_child(struct kg_efi_service_binding *self, kg_efi_handle *child)
{
    (void)self;
    *child = &http;
    world.children++;
    return world.no_service ? KG_EFI_OUT_OF_RESOURCES : KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI destroy_child(struct kg_efi_service_binding *self, kg_efi_handle child)
{
    (void)self;
    (void)child;
    world.children--;
    return KG_EFI_SUCCESS;
}

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

static kg_efi_status KG_EFIAPI configure(struct kg_efi_http *self, const struct kg_efi_http_config *config)
{
    (void)self;
    const struct kg_efi_http_ipv4 *address = config->access;
    return address->use_default_address || address->address[0] == 10 ? KG_EFI_SUCCESS : KG_EFI_INVALID_PARAMETER;
}

static kg_efi_status KG_EFIAPI request(struct kg_efi_http *self, struct kg_efi_http_token *token)
{
    (void)self;
    static const char root[] = "http://10.0.2.2:80/lm";
    const struct kg_efi_http_request *data = token->message->request_or_response;
    char path[256];
    size_t n = 0;
    while (data->url[n] && n + 1 < sizeof path) {
        path[n] = (char)data->url[n];
        n++;
    }
    path[n] = '\0';
    asked = kg_str_starts(path, root) ? find_made(path + sizeof root - 1) : NULL;
    asked_method = data->method;
    sent = 0;
    world.requests++;
    token->status = KG_EFI_SUCCESS;
    is_done = true;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI give_pool(void *buffer)
{
    (void)buffer;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI respond(struct kg_efi_http *self, struct kg_efi_http_token *token)
{
    (void)self;
    static struct kg_efi_http_header header;
    static char name[] = "Content-LENGTH", other[] = "Server", value[32];
    struct kg_efi_http_message *message = token->message;
    struct kg_efi_http_response *head = message->request_or_response;
    if (head && asked_method == METHOD_GET && world.tries_late) { /* as EDK II */
        world.tries_late--;
        pass_time(5000000);
        token->status = KG_EFI_TIMEOUT;
        is_done = true;
        return KG_EFI_TIMEOUT;
    }
    if (head) {
        head->status = world.http_status ? (uint32_t)world.http_status : asked ? STATUS_OK : STATUS_NOT_FOUND;
        uint64_t size = asked ? asked->n : 0;
        size = world.served_size == UINT64_MAX ? size : world.served_size;
        kg_format(value, sizeof value, " %llu", (unsigned long long)size);
        header = (struct kg_efi_http_header){world.no_length ? other : name, value};
        message->headers = &header;
        message->n_headers = 1;
    }
    uint64_t left = asked && asked_method == METHOD_GET ? asked->n - sent : 0;
    uint64_t n = message->body_size < left ? message->body_size : left;
    n = n < world.most_bytes ? n : world.most_bytes;
    n = head && n > 7 ? 7 : n; /* the first bytes come with the head */
    if (n) {
        memcpy(message->body, asked->bytes + sent, n);
    }
    message->body_size = n;
    sent += n;
    token->status = (n == 0 && !head) || sent > world.fails_after ? KG_EFI_ABORTED : KG_EFI_SUCCESS;
    is_done = true;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI poll_http(struct kg_efi_http *self)
{
    (void)self;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI cancel(struct kg_efi_http *self, struct kg_efi_http_token *token)
{
    (void)self;
    (void)token;
    return KG_EFI_SUCCESS;
}

#include "stick_tftp.h"

/* Keyboard, console, programs. */

static kg_efi_status KG_EFIAPI read_key(struct kg_efi_text_input *self, struct kg_efi_key *key)
{
    (void)self;
    if (next_key == n_keys) {
        return KG_EFI_NOT_READY;
    }
    *key = keys[next_key++];
    key_taken = now;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI write_text(struct kg_efi_text_output *self, const uint16_t *text)
{
    (void)self;
    size_t end = n_said;
    for (; *text && n_said < sizeof said - 2; text++) {
        said[n_said++] = (char)*text;
        end = *text == ' ' ? end : n_said;
    }
    n_said = end;
    said[n_said++] = '\n';
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI ask_mode(struct kg_efi_text_output *self, uint64_t mode, uint64_t *columns,
                                        uint64_t *rows)
{
    (void)self;
    (void)mode;
    *columns = 80;
    *rows = 25;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI do_nothing(struct kg_efi_text_output *self)
{
    (void)self;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI set_attribute(struct kg_efi_text_output *self, uint64_t attribute)
{
    (void)attribute;
    return do_nothing(self);
}

static kg_efi_status KG_EFIAPI set_cursor(struct kg_efi_text_output *self, uint64_t column, uint64_t row)
{
    (void)column;
    (void)row;
    return do_nothing(self);
}

static kg_efi_status KG_EFIAPI enable_cursor(struct kg_efi_text_output *self, bool visible)
{
    (void)visible;
    return do_nothing(self);
}

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

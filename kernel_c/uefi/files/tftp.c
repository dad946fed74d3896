/* Files of the TFTP server from which the firmware booted the program by PXE, by the firmware's client: see stick.h.
 * What PXE has learnt of the server and of this machine stays in its protocol. */
#include "files.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/str.h"
#include "server.h"
#include "uefi/processor.h"

#define BLOCK "1428"  /* fits a packet of Ethernet, also through most tunnels */
#define WINDOW "16"   /* blocks before an acknowledgement; older firmware does not know the option */
#define TFTP_TRIES 30 /* of a second */
#define FAREWELL_MS 100

enum { DATA = 3, ERROR = 5, NOT_FOUND = 1 };

/* A file that comes. The firmware gives its packets by a call in between: the bytes are put in their place, and the
 * reader takes what has come. */
struct tftp_file {
    uint8_t *to;
    uint64_t room, came;
    uint16_t due; /* the block's number; they begin again at 0 behind 65,535 */
    bool stopped, longer;
    int error; /* of the server's answer: its code; -1: none */
};

/* The name of a file on the server. If that of the boot file begins with no slash, this one does not, either. */
static const char *write_tftp_name(const struct kg_server *server, struct kg_text path, char name[sizeof server->url])
{
    size_t n = kg_format(name, sizeof server->url, "%.*s%.*s", (int)server->url_n, server->url, (int)path.n, path.data);
    return n >= sizeof server->url ? NULL : server->rooted ? name : name + 1;
}

static struct kg_efi_mtftp4 *open_tftp(struct kg_stick *stick, uint16_t tries)
{
    static const struct kg_efi_guid guid = KG_EFI_MTFTP4_GUID;
    const struct kg_server *server = &stick->server;
    struct kg_efi_mtftp4 *tftp = kg_server_open(stick, &guid);
    struct kg_efi_mtftp4_config config = {.tries = tries, .timeout_s = 1};
    bool far = false;
    for (size_t i = 0; i < 4; i++) {
        uint8_t mask = server->address.subnet_mask[i];
        config.station[i] = server->address.address[i];
        config.subnet_mask[i] = mask;
        config.server[i] = server->offer.server[i];
        far = far || ((config.station[i] ^ config.server[i]) & mask);
    }
    memcpy(config.gateway, server->offer.router, far ? 4 : 0);
    return tftp && !kg_efi_failed(tftp->configure(tftp, &config)) ? tftp : NULL;
}

/* Why a transfer has failed; `error`: see struct tftp_file. */
static const char *tftp_problem(struct kg_stick *stick, kg_efi_status status, int error)
{
    stick->absent = error == NOT_FOUND;
    if (error >= 0) {
        return stick->absent ? "it is not on the server" : kg_server_unwilling;
    }
    switch (status) {
    case KG_EFI_SUCCESS: return NULL;
    case KG_EFI_TIMEOUT: return kg_server_silent;
    case KG_EFI_PROTOCOL_ERROR: return kg_server_unsized;
    case KG_EFI_ICMP_ERROR:
    case KG_EFI_PORT_UNREACHABLE: return "no TFTP server is there";
    default: return kg_server_broken;
    }
}

static int error_of(const uint8_t *packet, uint32_t n)
{
    return n >= 4 && packet[0] == 0 && packet[1] == ERROR ? packet[2] << 8 | packet[3] : -1;
}

/* Reads the size from the server's answer. */
static bool read_tftp_size(struct kg_stick *stick, struct kg_efi_mtftp4 *tftp, const uint8_t *packet, uint32_t n,
                           uint64_t *size)
{
    struct kg_efi_mtftp4_option *options = NULL;
    uint32_t n_options = 0;
    bool found = false;
    if (kg_efi_failed(tftp->parse_options(tftp, n, packet, &n_options, &options)) || !options) {
        return false;
    }
    for (uint32_t i = 0; i < n_options; i++) {
        const char *name = options[i].name, *value = options[i].value;
        bool is_size = (name[0] | 0x20) == 't' && (name[1] | 0x20) == 's' && kg_strlen(name) == 5;
        found = found || (is_size && (value[0] != '0' || value[1] != 'x') && kg_parse_u64(value, size));
    }
    stick->u->system->boot->free_pool(options);
    return found;
}

static const char *ask_tftp_size(struct kg_stick *stick, const char *name, uint64_t *size)
{
    static const char key[] = "tsize", value[] = "0";
    const struct kg_efi_mtftp4_option option = {key, value};
    struct kg_efi_mtftp4 *tftp = open_tftp(stick, 1);
    uint8_t *packet = NULL;
    uint32_t n = 0;
    if (!tftp) {
        return kg_server_no_card;
    }
    kg_efi_status status = tftp->get_info(tftp, NULL, name, NULL, 1, &option, &n, &packet);
    const char *problem = tftp_problem(stick, status, packet ? error_of(packet, n) : -1);
    if (!problem && (!packet || !read_tftp_size(stick, tftp, packet, n, size))) {
        problem = kg_server_unsized;
    }
    if (packet) {
        stick->u->system->boot->free_pool(packet);
    }
    return problem;
}

/* Firmware waits for an answer by itself, for a second, and looks at no key. Then it is asked again. */
static const char *tftp_size(struct kg_stick *stick, struct kg_text path, uint64_t *size)
{
    char room[sizeof stick->server.url];
    const char *name = write_tftp_name(&stick->server, path, room);
    if (!name) {
        return "its name is too long";
    }
    kg_server_ask(stick, path);
    for (;;) {
        const char *problem = ask_tftp_size(stick, name, size);
        kg_server_close(stick);
        const char *end = problem == kg_server_silent ? kg_server_patience(stick) : problem;
        if (problem != kg_server_silent || end) {
            return end;
        }
    }
}

static kg_efi_status KG_EFIAPI hear_packet(struct kg_efi_mtftp4 *self, struct kg_efi_mtftp4_token *token, uint16_t size,
                                           const uint8_t *packet)
{
    struct tftp_file *file = token->context;
    (void)self;
    if (file->stopped) {
        return KG_EFI_ABORTED;
    }
    int error = error_of(packet, size);
    file->error = error >= 0 ? error : file->error;
    if (size < 4 || packet[0] || packet[1] != DATA || (packet[2] << 8 | packet[3]) != file->due) {
        return KG_EFI_SUCCESS;
    }
    uint64_t n = size - 4u;
    if (n > file->room - file->came) {
        file->longer = true;
        return KG_EFI_ABORTED;
    }
    memcpy(file->to + file->came, packet + 4, n);
    file->due++;
    __atomic_store_n(&file->came, file->came + n, __ATOMIC_RELEASE);
    return KG_EFI_SUCCESS;
}

/* Until the transfer has ended. Returns why it is not wanted any more, or NULL. */
static const char *follow_transfer(struct kg_stick *stick, struct kg_efi_mtftp4 *tftp, struct tftp_file *file,
                                   struct kg_stick_read *read)
{
    const struct kg_efi_boot_services *services = stick->u->system->boot;
    uint64_t taken = 0;
    for (;;) {
        bool ended = services->check_event(stick->server.event) != KG_EFI_NOT_READY;
        uint64_t came = __atomic_load_n(&file->came, __ATOMIC_ACQUIRE);
        const char *stop = NULL;
        if (came != taken) {
            stop = kg_stick_take(read, file->to + taken, came - taken);
            taken = came;
            kg_server_heard(stick);
        } else if (!ended) {
            tftp->poll(tftp);
            stop = kg_server_patience(stick);
        }
        if (stop || ended) {
            return stop;
        }
    }
}

/* Lets the firmware tell the server that no more is wanted, if more comes. */
static void take_leave(struct kg_stick *stick, struct kg_efi_mtftp4 *tftp, struct tftp_file *file)
{
    uint64_t begin = kg_uefi_ticks();
    file->stopped = true;
    while (stick->u->system->boot->check_event(stick->server.event) == KG_EFI_NOT_READY &&
           (kg_uefi_ticks() - begin) / stick->ticks_per_ms < FAREWELL_MS) {
        tftp->poll(tftp);
    }
}

static const char *receive_file(struct kg_stick *stick, const char *name, struct kg_stick_read *read)
{
    static const char size_key[] = "blksize", size_value[] = BLOCK, window_key[] = "windowsize",
                      window_value[] = WINDOW;
    const struct kg_efi_mtftp4_option options[] = {{size_key, size_value}, {window_key, window_value}};
    struct tftp_file file = {.to = read->to, .room = read->total - read->done, .due = 1, .error = -1};
    struct kg_efi_mtftp4 *tftp = open_tftp(stick, TFTP_TRIES);
    struct kg_efi_mtftp4_token token = {.status = KG_EFI_NOT_READY,
                                        .event = stick->server.event,
                                        .file = name,
                                        .options = options,
                                        .n_options = 2,
                                        .context = &file,
                                        .hear = hear_packet};
    if (!tftp) {
        return kg_server_no_card;
    }
    kg_efi_status begun = tftp->read_file(tftp, &token);
    if (begun == KG_EFI_UNSUPPORTED) {
        token.n_options = 1;
        begun = tftp->read_file(tftp, &token);
    }
    if (kg_efi_failed(begun)) {
        return tftp_problem(stick, begun, file.error);
    }
    const char *stop = follow_transfer(stick, tftp, &file, read);
    if (stop) {
        take_leave(stick, tftp, &file);
        return stop;
    }
    return file.longer ? kg_server_longer : tftp_problem(stick, token.status, file.error);
}

static const char *tftp_fetch(struct kg_stick *stick, struct kg_text path, struct kg_stick_read *read)
{
    char room[sizeof stick->server.url];
    const char *name = write_tftp_name(&stick->server, path, room);
    kg_server_ask(stick, path);
    const char *problem = name ? receive_file(stick, name, read) : "its name is too long";
    kg_server_close(stick);
    return problem;
}

static const struct kg_source tftp_source = {"server", kg_server_hint, tftp_size, tftp_fetch};

/* The answer that named the boot file: that of a boot server, of a proxy, or of the DHCP server itself, which alone
 * knows the router. */
static bool read_answers(struct kg_boot_offer *offer, const struct kg_efi_pxe_mode *mode)
{
    const uint8_t *answers[] = {mode->pxe_reply_received ? mode->pxe_reply : NULL,
                                mode->proxy_offer_received ? mode->proxy_offer : NULL,
                                mode->dhcp_ack_received ? mode->dhcp_ack : NULL};
    struct kg_boot_offer ack = {.file_n = 0};
    if (answers[2]) {
        kg_boot_offer_read(answers[2], KG_EFI_PXE_PACKET, &ack);
    }
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        if (answers[i] && kg_boot_offer_read(answers[i], KG_EFI_PXE_PACKET, offer) && offer->file_n) {
            memcpy(offer->router, ack.router, sizeof ack.router);
            return true;
        }
    }
    return false;
}

/* Keeps the folder of the boot file, with slashes, and one at its beginning. */
static void read_tftp_folder(struct kg_server *server)
{
    const struct kg_boot_offer *offer = &server->offer;
    server->rooted = offer->file[0] == '/' || offer->file[0] == '\\';
    size_t n = kg_format(server->url, sizeof server->url, "%s%s", server->rooted ? "" : "/", offer->file);
    for (size_t i = 0; i < n; i++) {
        server->url[i] = server->url[i] == '\\' ? '/' : server->url[i];
    }
    server->url_n = kg_server_folder(server->url, n);
}

bool kg_stick_open_tftp(struct kg_stick *stick)
{
    static const struct kg_efi_guid pxe_guid = KG_EFI_PXE_BASE_CODE_GUID, path_guid = KG_EFI_DEVICE_PATH_GUID,
                                    service_guid = KG_EFI_MTFTP4_SERVICE_GUID;
    const struct kg_uefi *u = stick->u;
    struct kg_server *server = &stick->server;
    const struct kg_efi_pxe *pxe = u->loaded->device ? kg_uefi_protocol(u, u->loaded->device, &pxe_guid) : NULL;
    const struct kg_efi_pxe_mode *mode = pxe ? pxe->mode : NULL;
    if (!mode || !mode->started || mode->using_ipv6 || !read_answers(&server->offer, mode) ||
        !kg_server_find(stick, kg_uefi_protocol(u, u->loaded->device, &path_guid), &service_guid)) {
        return false;
    }
    memcpy(server->address.address, mode->station.v4, 4);
    memcpy(server->address.subnet_mask, mode->subnet_mask.v4, 4);
    read_tftp_folder(server);
    stick->source = &tftp_source;
    return true;
}

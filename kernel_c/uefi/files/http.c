/* Files of the server from which the firmware started the program by HTTP boot: see stick.h. The device path of the
 * program's device holds the URL, and the address that the machine got. */
#include "files.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/str.h"
#include "server.h"
#include "uefi/device_path.h"
#include "uefi/processor.h"

#define TYPE_MESSAGING 3
#define SUBTYPE_IPV4 12
#define SUBTYPE_URI 24
#define STATUS_OK 3
#define STATUS_NOT_FOUND 21
#define METHOD_GET 0
#define METHOD_HEAD 5
#define FIRMWARE_SILENCE_MS 1000 /* of one try, in firmware that obeys */
#define TRIES 3
#define URL_MAX 1024

/* An answer, without its body. */
struct http_answer {
    struct kg_efi_http_response response;
    struct kg_efi_http_message message;
};

static bool is_url_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* The URL of a file, as UTF-16. Returns false if it does not fit. */
static bool write_url(const struct kg_server *server, struct kg_text path, uint16_t url[URL_MAX])
{
    size_t n = 0;
    for (; n < server->url_n; n++) {
        url[n] = (uint8_t)server->url[n];
    }
    for (size_t i = 0; i < path.n && n + 4 < URL_MAX; i++) {
        char text[4];
        size_t bytes = kg_format(text, sizeof text, is_url_byte(path.data[i]) ? "%c" : "%%%02x", (uint8_t)path.data[i]);
        for (size_t j = 0; j < bytes; j++) {
            url[n++] = (uint8_t)text[j];
        }
    }
    url[n] = 0;
    return n + 4 < URL_MAX;
}

static bool open_connection(struct kg_stick *stick)
{
    static const struct kg_efi_guid guid = KG_EFI_HTTP_GUID;
    struct kg_server *server = &stick->server;
    struct kg_efi_http_config config = {1, FIRMWARE_SILENCE_MS, false, &server->address};
    server->http = kg_server_open(stick, &guid);
    return server->http && !kg_efi_failed(server->http->configure(server->http, &config));
}

/* Waits until the token is done. Returns NULL, or what went wrong. */
static const char *wait_for_token(struct kg_stick *stick, struct kg_efi_http_token *token, kg_efi_status begun)
{
    const struct kg_efi_boot_services *services = stick->u->system->boot;
    struct kg_efi_http *http = stick->server.http;
    if (kg_efi_failed(begun)) {
        return begun == KG_EFI_TIMEOUT ? kg_server_silent : kg_server_broken;
    }
    while (services->check_event(token->event) == KG_EFI_NOT_READY) {
        http->poll(http);
        const char *problem = kg_server_patience(stick);
        if (problem) {
            http->cancel(http, token);
            return problem;
        }
    }
    return kg_efi_failed(token->status) ? kg_server_broken : NULL;
}

static const char *send_request(struct kg_stick *stick, uint32_t method, struct kg_text path)
{
    struct kg_server *server = &stick->server;
    uint16_t url[URL_MAX];
    char host[] = "Host", agent[] = "User-Agent", accept[] = "Accept", name[] = "kgpt", all[] = "*/*";
    struct kg_efi_http_header headers[] = {{host, server->host}, {agent, name}, {accept, all}};
    struct kg_efi_http_request request = {method, url};
    struct kg_efi_http_message message = {&request, sizeof headers / sizeof headers[0], headers, 0, NULL};
    struct kg_efi_http_token token = {server->event, KG_EFI_NOT_READY, &message};
    if (!write_url(server, path, url)) {
        return "its URL is too long";
    }
    return wait_for_token(stick, &token, server->http->request(server->http, &token));
}

static const char *receive_once(struct kg_stick *stick, struct http_answer *answer, uint64_t *n)
{
    struct kg_server *server = &stick->server;
    struct kg_efi_http_message body = {NULL, 0, NULL, *n, stick->chunk};
    struct kg_efi_http_message *message = answer ? &answer->message : &body;
    struct kg_efi_http_token token = {server->event, KG_EFI_NOT_READY, message};
    if (answer) {
        *message = body;
        message->request_or_response = &answer->response;
        message->body = *n ? stick->chunk : NULL;
    }
    (void)stick->u->system->boot->check_event(server->event); /* a try that failed may have signalled it */
    const char *problem = wait_for_token(stick, &token, server->http->response(server->http, &token));
    *n = message->body_size;
    return problem;
}

/* Receives the head of the answer, or (`answer` NULL) more of the body. `n`: room in stick->chunk, then what came.
 * Firmware waits for a head by itself, and looks at no key: EDK II for 5 s. Then it is asked again. */
static const char *receive(struct kg_stick *stick, struct http_answer *answer, uint64_t *n)
{
    uint64_t room = *n;
    kg_server_heard(stick);
    for (;;) {
        *n = room;
        const char *problem = receive_once(stick, answer, n);
        const char *end = problem == kg_server_silent ? kg_server_patience(stick) : problem;
        if (problem != kg_server_silent || end) {
            return end;
        }
    }
}

/* The value of Content-Length. Returns false if it is missing or no number. Frees the headers. */
static bool read_length(struct kg_stick *stick, struct kg_efi_http_message *message, uint64_t *length)
{
    static const char wanted[] = "content-length";
    bool found = false;
    for (uint64_t i = 0; message->headers && i < message->n_headers; i++) {
        const char *name = message->headers[i].name, *value = message->headers[i].value;
        size_t at = 0;
        while (name && wanted[at] && (name[at] | 0x20) == wanted[at]) {
            at++;
        }
        if (name && value && !wanted[at] && !name[at]) {
            while (*value == ' ') {
                value++;
            }
            found = value[0] != '0' || value[1] != 'x' ? kg_parse_u64(value, length) : false;
        }
        stick->u->system->boot->free_pool(message->headers[i].name);
        stick->u->system->boot->free_pool(message->headers[i].value);
    }
    if (message->headers) {
        stick->u->system->boot->free_pool(message->headers);
    }
    return found;
}

/* Asks for a file on a new connection. `n`: room for the body in stick->chunk, then what came of it. */
static const char *ask_once(struct kg_stick *stick, uint32_t method, struct kg_text path, uint64_t *length, uint64_t *n)
{
    struct http_answer answer = {{0}, {0}};
    kg_server_ask(stick, path);
    if (!open_connection(stick)) {
        return kg_server_no_card;
    }
    const char *problem = send_request(stick, method, path);
    problem = problem ? problem : receive(stick, &answer, n);
    bool known = read_length(stick, &answer.message, length);
    /* Firmware may call an answer that is not 200 a failure, or one whose connection the server has closed already. */
    if (problem && (answer.response.status == 0 || answer.response.status == STATUS_OK)) {
        return problem;
    }
    stick->absent = answer.response.status == STATUS_NOT_FOUND;
    if (answer.response.status != STATUS_OK) {
        return stick->absent ? "it is not on the server (404)" : kg_server_unwilling;
    }
    return known ? NULL : kg_server_unsized;
}

/* The same, with some patience: a connection may break before the answer comes, at a server with much to do. */
static const char *ask_server(struct kg_stick *stick, uint32_t method, struct kg_text path, uint64_t *length,
                              uint64_t *n)
{
    const char *problem = kg_server_broken;
    uint64_t room = *n;
    for (int i = 0; problem == kg_server_broken && i < TRIES; i++) {
        *n = room;
        kg_server_close(stick);
        problem = ask_once(stick, method, path, length, n);
    }
    return problem;
}

static const char *server_size(struct kg_stick *stick, struct kg_text path, uint64_t *size)
{
    uint64_t n = 0;
    const char *problem = ask_server(stick, METHOD_HEAD, path, size, &n);
    kg_server_close(stick);
    return problem;
}

static const char *fetch_body(struct kg_stick *stick, struct kg_text path, struct kg_stick_read *read)
{
    uint64_t length, n = KG_STICK_CHUNK;
    const char *problem = ask_server(stick, METHOD_GET, path, &length, &n);
    while (!problem) {
        if (n > length || n > KG_STICK_CHUNK) {
            return kg_server_longer;
        }
        problem = n ? kg_stick_take(read, stick->chunk, n) : NULL;
        length -= n;
        if (problem || length == 0) {
            return problem;
        }
        n = length < KG_STICK_CHUNK ? length : KG_STICK_CHUNK;
        problem = receive(stick, NULL, &n);
    }
    return problem;
}

static const char *server_fetch(struct kg_stick *stick, struct kg_text path, struct kg_stick_read *read)
{
    const char *problem = fetch_body(stick, path, read);
    kg_server_close(stick);
    return problem;
}

static const struct kg_source server_source = {"server", kg_server_hint, server_size, server_fetch};

/* Reads URL and host from the URI node. Returns false for what is no URL of HTTP. */
static bool read_url(struct kg_server *server, const uint8_t *node)
{
    static const char scheme[] = "http";
    size_t n = (node[2] | (size_t)node[3] << 8) - 4, at = 0, host = 0;
    const char *url = (const char *)node + 4;
    if (n >= sizeof server->url || n < 8 || memcmp(url, scheme, sizeof scheme - 1) != 0) {
        return false;
    }
    memcpy(server->url, url, n);
    server->url_n = kg_server_folder(url, n);
    while (at + 2 < server->url_n && memcmp(url + at, "://", 3) != 0) {
        at++;
    }
    for (at += 3; at + host < server->url_n && url[at + host] != '/' && host + 1 < sizeof server->host; host++) {
        server->host[host] = url[at + host];
    }
    server->host[host] = '\0';
    return host != 0;
}

/* The address of this machine: that of the device path, else what firmware has set for the card. */
static void read_address(struct kg_server *server, const uint8_t *node)
{
    size_t n = node ? node[2] | (size_t)node[3] << 8 : 0;
    server->address.use_default_address = true;
    if (n >= 27 && (node[4] | node[5] | node[6] | node[7])) {
        server->address.use_default_address = false;
        memcpy(server->address.address, node + 4, 4);
        memcpy(server->address.subnet_mask, node + 23, 4);
    }
}

bool kg_stick_open_server(struct kg_stick *stick)
{
    static const struct kg_efi_guid path_guid = KG_EFI_DEVICE_PATH_GUID, service_guid = KG_EFI_HTTP_SERVICE_GUID;
    const struct kg_uefi *u = stick->u;
    uint8_t *path = u->loaded->device ? kg_uefi_protocol(u, u->loaded->device, &path_guid) : NULL;
    const uint8_t *uri = kg_device_path_node(path, TYPE_MESSAGING, SUBTYPE_URI);
    stick->source = &server_source;
    if (!uri || !read_url(&stick->server, uri) || !kg_server_find(stick, path, &service_guid)) {
        return false;
    }
    read_address(&stick->server, kg_device_path_node(path, TYPE_MESSAGING, SUBTYPE_IPV4));
    return true;
}

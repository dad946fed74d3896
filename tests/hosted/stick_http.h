/* A made-up HTTP server behind firmware's client, for stick_driver.c: one connection at a time. */
#ifndef KGPT_TESTS_STICK_HTTP_H
#define KGPT_TESTS_STICK_HTTP_H

#include "stick_world.h"

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

#endif

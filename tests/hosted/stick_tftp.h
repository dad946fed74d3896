/* A made-up TFTP server behind firmware's client, for stick_driver.c. The boot file was lm/kgpt.efi. */
#ifndef KGPT_TESTS_STICK_TFTP_H
#define KGPT_TESTS_STICK_TFTP_H

#include "stick_world.h"

#define TFTP_BLOCK 1428
#define TFTP_PACKETS 3 /* that come with a poll; each fifth comes twice */

static struct kg_efi_mtftp4 tftp;
static struct kg_efi_pxe pxe;
static union {
    struct kg_efi_pxe_mode mode;
    uint8_t bytes[sizeof(struct kg_efi_pxe_mode)];
} pxe_mode;
static bool is_pxe;
static struct kg_efi_mtftp4_token *tftp_token;
static uint16_t tftp_block;

static kg_efi_status KG_EFIAPI configure_tftp(struct kg_efi_mtftp4 *self, const struct kg_efi_mtftp4_config *config)
{
    (void)self;
    bool right = config->station[0] == 10 && config->subnet_mask[0] == 255 && config->server[3] == 2 &&
                 config->gateway[0] == (world.far_server ? 10 : 0) && config->timeout_s == 1 && config->tries;
    return right ? KG_EFI_SUCCESS : KG_EFI_INVALID_PARAMETER;
}

static const struct made_file *find_tftp(const char *name)
{
    size_t n = world.in_folder ? 2 : 0;
    char path[256] = "/";
    kg_format(path, sizeof path, "%s%s", n ? "" : "/", name + n);
    return (n && !kg_str_starts(name, "lm/")) || (!n && name[0] == '/') ? NULL : find_made(path);
}

/* The code of the server's error; 0: none. */
static uint8_t tftp_refusal(const struct made_file *file)
{
    return world.http_status ? 2 : file ? 0 : 1;
}

static kg_efi_status KG_EFIAPI tell_tftp_size(struct kg_efi_mtftp4 *self, const void *override, const char *name,
                                              const char *mode, uint8_t n_options,
                                              const struct kg_efi_mtftp4_option *options, uint32_t *size,
                                              uint8_t **packet)
{
    static uint8_t answer[64];
    const struct made_file *file = find_tftp(name);
    uint8_t refusal = tftp_refusal(file);
    (void)self;
    (void) override;
    (void)mode;
    world.requests++;
    if (n_options != 1 || !kg_streq(options[0].name, "tsize")) {
        return KG_EFI_INVALID_PARAMETER;
    }
    if (world.silent || world.tries_late || world.requests > world.silent_after) {
        world.tries_late -= world.tries_late > 0;
        pass_time(1000000);
        return KG_EFI_TIMEOUT;
    }
    *packet = answer;
    if (refusal) {
        memcpy(answer, "\0\5\0\1no", 7);
        answer[3] = refusal;
        *size = 7;
        return KG_EFI_TFTP_ERROR;
    }
    if (world.no_length) {
        *packet = NULL;
        return KG_EFI_PROTOCOL_ERROR;
    }
    memcpy(answer, "\0\6TSize", 8);
    *size =
        9 + (uint32_t)kg_format((char *)answer + 8, sizeof answer - 8, "%llu",
                                (unsigned long long)(world.served_size == UINT64_MAX ? file->n : world.served_size));
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI parse_tftp_options(struct kg_efi_mtftp4 *self, uint32_t size, const uint8_t *packet,
                                                  uint32_t *n_options, struct kg_efi_mtftp4_option **options)
{
    static struct kg_efi_mtftp4_option option;
    (void)self;
    (void)size;
    option = (struct kg_efi_mtftp4_option){(const char *)packet + 2, (const char *)packet + 8};
    *n_options = 1;
    *options = &option;
    return KG_EFI_SUCCESS;
}

static kg_efi_status KG_EFIAPI begin_tftp(struct kg_efi_mtftp4 *self, struct kg_efi_mtftp4_token *token)
{
    (void)self;
    if (world.old_client && token->n_options == 2) {
        return KG_EFI_UNSUPPORTED;
    }
    world.requests++;
    asked = find_tftp(token->file);
    sent = 0;
    tftp_block = 1;
    tftp_token = token;
    is_done = false;
    return KG_EFI_SUCCESS;
}

static void end_tftp(kg_efi_status status)
{
    tftp_token->status = status;
    is_done = true;
    tftp_token = NULL;
}

/* The firmware's call for a packet. Returns false if the transfer ended with it. */
static bool give_packet(const uint8_t *packet, uint16_t n, bool last)
{
    kg_efi_status status = tftp_token->hear(&tftp, tftp_token, n, packet);
    world.refused_packets += kg_efi_failed(status);
    if (kg_efi_failed(status) || last) {
        end_tftp(kg_efi_failed(status) ? KG_EFI_ABORTED : KG_EFI_SUCCESS);
    }
    return tftp_token;
}

static bool give_block(void)
{
    uint8_t packet[4 + TFTP_BLOCK] = {0, 3, (uint8_t)(tftp_block >> 8), (uint8_t)tftp_block};
    uint64_t most = world.most_bytes < TFTP_BLOCK ? world.most_bytes : TFTP_BLOCK, left = asked->n - sent;
    uint64_t n = left < most ? left : most;
    memcpy(packet + 4, asked->bytes + sent, n);
    sent += n;
    if (sent > world.fails_after) {
        end_tftp(KG_EFI_ABORTED);
        return false;
    }
    bool last = n < most || (world.most_bytes < TFTP_BLOCK && sent == asked->n);
    if (tftp_block++ % 5 == 0 && !give_packet(packet, (uint16_t)(4 + n), false)) {
        return false;
    }
    return give_packet(packet, (uint16_t)(4 + n), last);
}

static kg_efi_status KG_EFIAPI poll_tftp(struct kg_efi_mtftp4 *self)
{
    (void)self;
    bool goes_on = tftp_token && !world.silent && world.requests <= world.silent_after;
    if (goes_on && tftp_refusal(asked)) {
        const uint8_t packet[] = {0, 5, 0, tftp_refusal(asked), 0};
        tftp_token->hear(&tftp, tftp_token, sizeof packet, packet);
        end_tftp(KG_EFI_TFTP_ERROR);
        goes_on = false;
    }
    for (int i = 0; goes_on && i < TFTP_PACKETS; i++) {
        goes_on = give_block();
    }
    return KG_EFI_SUCCESS;
}

/* The machine has booted by PXE: `ack`, `proxy` and `reply` are what the servers said; NULL: nothing. */
void driver_pxe(const uint8_t *ack, const uint8_t *proxy, const uint8_t *reply, size_t size);
void driver_pxe(const uint8_t *ack, const uint8_t *proxy, const uint8_t *reply, size_t size)
{
    struct kg_efi_pxe_mode *mode = &pxe_mode.mode;
    memset(&pxe_mode, 0, sizeof pxe_mode);
    is_pxe = mode->started = true;
    mode->dhcp_ack_received = ack;
    mode->proxy_offer_received = proxy;
    mode->pxe_reply_received = reply;
    memcpy(mode->dhcp_ack, ack, ack ? size : 0);
    memcpy(mode->proxy_offer, proxy, proxy ? size : 0);
    memcpy(mode->pxe_reply, reply, reply ? size : 0);
    mode->station.v4[0] = 10;
    memset(mode->subnet_mask.v4, 255, 3);
    pxe.mode = mode;
    tftp = (struct kg_efi_mtftp4){.configure = configure_tftp,
                                  .get_info = tell_tftp_size,
                                  .parse_options = parse_tftp_options,
                                  .read_file = begin_tftp,
                                  .poll = poll_tftp};
}

#endif

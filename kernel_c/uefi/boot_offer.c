/* See boot_offer.h. */
#include "boot_offer.h"

#include "kgpt/dhcp_options.h"
#include "kgpt/mem.h"

static void set_boot_file(struct kg_boot_offer *offer, const uint8_t *text, size_t n)
{
    size_t length = 0;
    while (length < n && text[length]) {
        length++;
    }
    if (length && length < sizeof offer->file) {
        memcpy(offer->file, text, length);
        offer->file[length] = '\0';
        offer->file_n = length;
    }
}

/* Returns the value of the option "overload". */
static uint8_t read_boot_options(struct kg_boot_offer *offer, const uint8_t *at, uint32_t n)
{
    static const uint8_t unknown[4];
    uint32_t i = 0;
    uint8_t overload = 0;
    struct kg_dhcp_option option;
    while (kg_dhcp_next_option(at, n, &i, &option)) {
        if (option.code == KG_DHCP_BOOT_FILE) {
            set_boot_file(offer, option.value, option.size);
        } else if (option.code == KG_DHCP_ROUTER && option.size >= 4) {
            memcpy(offer->router, option.value, 4);
        } else if (option.code == KG_DHCP_SERVER && option.size == 4 && memcmp(offer->server, unknown, 4) == 0) {
            memcpy(offer->server, option.value, 4);
        } else if (option.code == KG_DHCP_OVERLOAD && option.size == 1) {
            overload = option.value[0];
        }
    }
    return overload;
}

bool kg_boot_offer_read(const uint8_t *packet, uint32_t n, struct kg_boot_offer *offer)
{
    static const uint8_t cookie[] = {KG_DHCP_COOKIE >> 24, KG_DHCP_COOKIE >> 16 & 255, KG_DHCP_COOKIE >> 8 & 255,
                                     KG_DHCP_COOKIE & 255};
    const uint32_t file_n = KG_DHCP_COOKIE_AT - KG_DHCP_FILE_AT;
    *offer = (struct kg_boot_offer){0};
    if (n < KG_DHCP_OPTIONS_AT || packet[0] != 2 || memcmp(packet + KG_DHCP_COOKIE_AT, cookie, sizeof cookie) != 0) {
        return false;
    }
    memcpy(offer->server, packet + KG_DHCP_NEXT_AT, 4);
    uint8_t overload = read_boot_options(offer, packet + KG_DHCP_OPTIONS_AT, n - KG_DHCP_OPTIONS_AT);
    if (overload & 1) {
        read_boot_options(offer, packet + KG_DHCP_FILE_AT, file_n);
    }
    if (overload & 2) {
        read_boot_options(offer, packet + KG_DHCP_NAME_AT, KG_DHCP_FILE_AT - KG_DHCP_NAME_AT);
    }
    if (!(overload & 1) && !offer->file_n) {
        set_boot_file(offer, packet + KG_DHCP_FILE_AT, file_n);
    }
    return true;
}

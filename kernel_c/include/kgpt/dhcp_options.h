/* A message of DHCP (RFC 2131), and its options (RFC 2132): one after another in the message's end, or in its fields
 * for names, if the option "overload" says so. */
#ifndef KGPT_DHCP_OPTIONS_H
#define KGPT_DHCP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#define KG_DHCP_NEXT_AT 20u /* the server of the boot file */
#define KG_DHCP_NAME_AT 44u
#define KG_DHCP_FILE_AT 108u
#define KG_DHCP_COOKIE_AT 236u
#define KG_DHCP_OPTIONS_AT 240u
#define KG_DHCP_COOKIE 0x63825363u

enum {
    KG_DHCP_PAD = 0,
    KG_DHCP_ROUTER = 3,
    KG_DHCP_OVERLOAD = 52, /* 1: the field of the file holds options, 2: that of the name */
    KG_DHCP_SERVER = 54,
    KG_DHCP_BOOT_FILE = 67,
    KG_DHCP_END = 255,
};

struct kg_dhcp_option {
    uint8_t code, size;
    const uint8_t *value;
};

/* The option at `*i` of the `n` bytes; `*i` is behind it then. False: there are no more. */
static inline bool kg_dhcp_next_option(const uint8_t *at, uint32_t n, uint32_t *i, struct kg_dhcp_option *option)
{
    while (*i < n && at[*i] == KG_DHCP_PAD) {
        ++*i;
    }
    if (n - *i < 2 || at[*i] == KG_DHCP_END || at[*i + 1] > n - *i - 2) {
        return false;
    }
    *option = (struct kg_dhcp_option){at[*i], at[*i + 1], at + *i + 2};
    *i += 2u + option->size;
    return true;
}

#endif

/* Messages of DHCP (RFC 2131, RFC 2132): see dhcp.h. */
#include "dhcp.h"

#include "kgpt/dhcp_options.h"
#include "kgpt/mem.h"
#include "net/ip/bytes.h"

enum {
    OPTION_MASK = 1,
    OPTION_DNS = 6,
    OPTION_HOST = 12,
    OPTION_MTU = 26,
    OPTION_REQUESTED = 50,
    OPTION_LEASE = 51,
    OPTION_MESSAGE = 53,
    OPTION_WANTED = 55,
    OPTION_MOST = 57,
    OPTION_T1 = 58,
    OPTION_T2 = 59,
    OPTION_CLIENT = 61,
};

static bool is_mask(uint32_t mask)
{
    return mask && (~mask & (~mask + 1)) == 0;
}

static void read_dhcp_number(struct kg_dhcp_lease *lease, uint8_t code, uint32_t value)
{
    switch (code) {
    case OPTION_MASK: lease->mask = is_mask(value) ? value : 0; break;
    case KG_DHCP_ROUTER: lease->gateway = value; break;
    case OPTION_DNS: lease->dns[0] = value; break;
    case OPTION_LEASE: lease->seconds = value; break;
    case KG_DHCP_SERVER: lease->server = value; break;
    case OPTION_T1: lease->t1 = value; break;
    case OPTION_T2: lease->t2 = value; break;
    default: break;
    }
}

/* Returns the value of the option "overload": which other fields hold options. */
static uint8_t read_dhcp_options(const uint8_t *at, uint32_t n, struct kg_dhcp_lease *lease)
{
    uint8_t overload = 0;
    uint32_t i = 0;
    struct kg_dhcp_option option;
    while (kg_dhcp_next_option(at, n, &i, &option)) {
        if (option.size >= 4) {
            read_dhcp_number(lease, option.code, kg_get32(option.value));
        }
        if (option.code == OPTION_DNS && option.size >= 8) {
            lease->dns[1] = kg_get32(option.value + 4);
        } else if (option.code == OPTION_MESSAGE && option.size == 1) {
            lease->message = option.value[0];
        } else if (option.code == OPTION_MTU && option.size == 2) {
            lease->mtu = kg_get16(option.value);
        } else if (option.code == KG_DHCP_OVERLOAD && option.size == 1) {
            overload = option.value[0];
        }
    }
    return overload;
}

bool kg_dhcp_read(const uint8_t *bytes, uint32_t n, uint32_t xid, const uint8_t mac[6], struct kg_dhcp_lease *lease)
{
    *lease = (struct kg_dhcp_lease){0};
    if (n < KG_DHCP_OPTIONS_AT || bytes[0] != 2 || bytes[1] != 1 || bytes[2] != 6 || kg_get32(bytes + 4) != xid ||
        memcmp(bytes + 28, mac, 6) != 0 || kg_get32(bytes + KG_DHCP_COOKIE_AT) != KG_DHCP_COOKIE) {
        return false;
    }
    lease->address = kg_get32(bytes + 16);
    uint8_t overload = read_dhcp_options(bytes + KG_DHCP_OPTIONS_AT, n - KG_DHCP_OPTIONS_AT, lease);
    if (overload & 1) {
        read_dhcp_options(bytes + KG_DHCP_FILE_AT, KG_DHCP_COOKIE_AT - KG_DHCP_FILE_AT, lease);
    }
    if (overload & 2) {
        read_dhcp_options(bytes + KG_DHCP_NAME_AT, KG_DHCP_FILE_AT - KG_DHCP_NAME_AT, lease);
    }
    return lease->message != 0;
}

static uint8_t *put_dhcp_number(uint8_t *at, uint8_t code, uint32_t value)
{
    if (value == 0) {
        return at;
    }
    at[0] = code;
    at[1] = 4;
    kg_put32(at + 2, value);
    return at + 6;
}

void kg_dhcp_write(uint8_t *to, const struct kg_dhcp_request *request, const uint8_t mac[6])
{
    static const uint8_t wanted[] = {OPTION_WANTED, 8,          OPTION_MASK,  KG_DHCP_ROUTER,
                                     OPTION_DNS,    OPTION_MTU, OPTION_LEASE, KG_DHCP_SERVER,
                                     OPTION_T1,     OPTION_T2};
    static const uint8_t host[] = {OPTION_HOST, 4, 'k', 'g', 'p', 't', OPTION_MOST, 2, 576 >> 8, 576 & 255};
    memset(to, 0, KG_DHCP_SIZE);
    to[0] = 1;
    to[1] = 1;
    to[2] = 6;
    kg_put32(to + 4, request->xid);
    kg_put16(to + 8, request->seconds);
    kg_put32(to + 12, request->ciaddr);
    memcpy(to + 28, mac, 6);
    kg_put32(to + KG_DHCP_COOKIE_AT, KG_DHCP_COOKIE);
    uint8_t *at = to + KG_DHCP_OPTIONS_AT;
    *at++ = OPTION_MESSAGE;
    *at++ = 1;
    *at++ = request->message;
    *at++ = OPTION_CLIENT;
    *at++ = 7;
    *at++ = 1;
    memcpy(at, mac, 6);
    at = put_dhcp_number(at + 6, OPTION_REQUESTED, request->requested);
    at = put_dhcp_number(at, KG_DHCP_SERVER, request->server);
    if (request->message != KG_DHCP_DECLINE) {
        memcpy(at, wanted, sizeof wanted);
        memcpy(at + sizeof wanted, host, sizeof host);
        at += sizeof wanted + sizeof host;
    }
    *at = KG_DHCP_END;
}

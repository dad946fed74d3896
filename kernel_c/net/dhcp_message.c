/* Messages of DHCP (RFC 2131, RFC 2132): see dhcp.h. */
#include "dhcp.h"

#include "kgpt/mem.h"
#include "net/ip/bytes.h"

#define FILE_AT 108u
#define NAME_AT 44u
#define COOKIE_AT 236u
#define OPTIONS_AT 240u
#define COOKIE 0x63825363u

enum {
    OPTION_PAD = 0,
    OPTION_MASK = 1,
    OPTION_ROUTER = 3,
    OPTION_DNS = 6,
    OPTION_HOST = 12,
    OPTION_MTU = 26,
    OPTION_REQUESTED = 50,
    OPTION_LEASE = 51,
    OPTION_OVERLOAD = 52,
    OPTION_MESSAGE = 53,
    OPTION_SERVER = 54,
    OPTION_WANTED = 55,
    OPTION_MOST = 57,
    OPTION_T1 = 58,
    OPTION_T2 = 59,
    OPTION_CLIENT = 61,
    OPTION_END = 255,
};

static bool is_mask(uint32_t mask)
{
    return mask && (~mask & (~mask + 1)) == 0;
}

static void read_dhcp_number(struct kg_dhcp_lease *lease, uint8_t code, uint32_t value)
{
    switch (code) {
    case OPTION_MASK: lease->mask = is_mask(value) ? value : 0; break;
    case OPTION_ROUTER: lease->gateway = value; break;
    case OPTION_DNS: lease->dns[0] = value; break;
    case OPTION_LEASE: lease->seconds = value; break;
    case OPTION_SERVER: lease->server = value; break;
    case OPTION_T1: lease->t1 = value; break;
    case OPTION_T2: lease->t2 = value; break;
    default: break;
    }
}

/* Returns the value of the option "overload": which other fields hold options. */
static uint8_t read_dhcp_options(const uint8_t *at, uint32_t n, struct kg_dhcp_lease *lease)
{
    uint8_t overload = 0;
    for (uint32_t i = 0; i < n && at[i] != OPTION_END;) {
        uint8_t code = at[i];
        if (code == OPTION_PAD) {
            i++;
            continue;
        }
        if (n - i < 2 || at[i + 1] > n - i - 2) {
            break;
        }
        uint8_t size = at[i + 1];
        const uint8_t *value = at + i + 2;
        if (size >= 4) {
            read_dhcp_number(lease, code, kg_get32(value));
        }
        if (code == OPTION_DNS && size >= 8) {
            lease->dns[1] = kg_get32(value + 4);
        } else if (code == OPTION_MESSAGE && size == 1) {
            lease->message = value[0];
        } else if (code == OPTION_MTU && size == 2) {
            lease->mtu = kg_get16(value);
        } else if (code == OPTION_OVERLOAD && size == 1) {
            overload = value[0];
        }
        i += 2u + size;
    }
    return overload;
}

bool kg_dhcp_read(const uint8_t *bytes, uint32_t n, uint32_t xid, const uint8_t mac[6], struct kg_dhcp_lease *lease)
{
    *lease = (struct kg_dhcp_lease){0};
    if (n < OPTIONS_AT || bytes[0] != 2 || bytes[1] != 1 || bytes[2] != 6 || kg_get32(bytes + 4) != xid ||
        memcmp(bytes + 28, mac, 6) != 0 || kg_get32(bytes + COOKIE_AT) != COOKIE) {
        return false;
    }
    lease->address = kg_get32(bytes + 16);
    uint8_t overload = read_dhcp_options(bytes + OPTIONS_AT, n - OPTIONS_AT, lease);
    if (overload & 1) {
        read_dhcp_options(bytes + FILE_AT, COOKIE_AT - FILE_AT, lease);
    }
    if (overload & 2) {
        read_dhcp_options(bytes + NAME_AT, FILE_AT - NAME_AT, lease);
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
    static const uint8_t wanted[] = {OPTION_WANTED, 8,          OPTION_MASK,  OPTION_ROUTER,
                                     OPTION_DNS,    OPTION_MTU, OPTION_LEASE, OPTION_SERVER,
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
    kg_put32(to + COOKIE_AT, COOKIE);
    uint8_t *at = to + OPTIONS_AT;
    *at++ = OPTION_MESSAGE;
    *at++ = 1;
    *at++ = request->message;
    *at++ = OPTION_CLIENT;
    *at++ = 7;
    *at++ = 1;
    memcpy(at, mac, 6);
    at = put_dhcp_number(at + 6, OPTION_REQUESTED, request->requested);
    at = put_dhcp_number(at, OPTION_SERVER, request->server);
    if (request->message != KG_DHCP_DECLINE) {
        memcpy(at, wanted, sizeof wanted);
        memcpy(at + sizeof wanted, host, sizeof host);
        at += sizeof wanted + sizeof host;
    }
    *at = OPTION_END;
}

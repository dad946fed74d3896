/* Messages of DNS (RFC 1035): see dns.h. */
#include "dns.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "net/ip/bytes.h"

#define HEADER 12u
#define LABEL_MOST 63u
#define JUMPS_MOST 16u
#define ALIASES_MOST 8u
#define TYPE_A 1u
#define TYPE_CNAME 5u
#define CLASS_IN 1u

static bool is_host_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
}

bool kg_dns_normal(const char *name, char to[KG_DNS_NAME])
{
    uint32_t n = 0, label = 0;
    for (; name[n] && n < KG_DNS_NAME - 1; n++) {
        char c = lower(name[n]);
        bool dot = c == '.';
        if ((dot && label == 0) || (!dot && (!is_host_name_char(c) || ++label > LABEL_MOST))) {
            return false;
        }
        label = dot ? 0 : label;
        to[n] = c;
    }
    bool whole = name[n] == 0 && n > 0;
    if (whole && to[n - 1] == '.') {
        n--;
    }
    to[n] = 0;
    return whole && n > 0;
}

uint32_t kg_dns_write(uint8_t *to, uint16_t id, const char *name)
{
    memset(to, 0, HEADER);
    kg_put16(to, id);
    to[2] = 1; /* recursion desired */
    kg_put16(to + 4, 1);
    uint32_t at = HEADER, length = at++;
    for (; *name; name++) {
        if (*name == '.') {
            to[length] = (uint8_t)(at - length - 1);
            length = at++;
        } else {
            to[at++] = (uint8_t)*name;
        }
    }
    to[length] = (uint8_t)(at - length - 1);
    to[at++] = 0;
    kg_put16(to + at, TYPE_A);
    kg_put16(to + at + 2, CLASS_IN);
    return at + 4;
}

/* Reads the name at `at`, following pointers, into lower-case text. Returns the place behind it; 0: it is damaged. */
static uint32_t read_dns_name(const uint8_t *bytes, uint32_t n, uint32_t at, char text[KG_DNS_NAME])
{
    uint32_t behind = 0, length = 0;
    for (uint32_t jumps = 0; at < n;) {
        uint32_t size = bytes[at];
        if (size >= 0xC0) {
            if (at + 1 >= n || ++jumps > JUMPS_MOST) {
                return 0;
            }
            behind = behind ? behind : at + 2;
            at = (size & 0x3F) << 8 | bytes[at + 1];
            continue;
        }
        if (size == 0) {
            text[length ? length - 1 : 0] = 0; /* in place of the last dot */
            return behind ? behind : at + 1;
        }
        if (size > LABEL_MOST || size > n - at - 1 || length + size + 1 >= KG_DNS_NAME) {
            return 0;
        }
        for (uint32_t i = 1; i <= size; i++) {
            char c = lower((char)bytes[at + i]);
            text[length++] = is_host_name_char(c) ? c : '?'; /* matches no name of ours */
        }
        text[length++] = '.';
        at += size + 1;
    }
    return 0;
}

/* Looks for a record of `name`: an address, or an alias that replaces `name`. */
static bool find_dns_record(const uint8_t *bytes, uint32_t n, uint32_t at, uint32_t records, char *name,
                            uint32_t *address)
{
    char owner[KG_DNS_NAME], alias[KG_DNS_NAME];
    for (; records > 0; records--) {
        at = read_dns_name(bytes, n, at, owner);
        if (at == 0 || n - at < 10 || kg_get16(bytes + at + 8) > n - at - 10) {
            return false;
        }
        uint16_t type = kg_get16(bytes + at), size = kg_get16(bytes + at + 8);
        bool ours = kg_get16(bytes + at + 2) == CLASS_IN && kg_streq(owner, name);
        at += 10;
        if (ours && type == TYPE_A && size == 4) {
            *address = kg_get32(bytes + at);
            return true;
        }
        if (ours && type == TYPE_CNAME && read_dns_name(bytes, n, at, alias)) {
            memcpy(name, alias, sizeof alias);
            return true;
        }
        at += size;
    }
    return false;
}

enum kg_dns_answer kg_dns_read(const uint8_t *bytes, uint32_t n, uint16_t id, const char *name, uint32_t *address)
{
    char owner[KG_DNS_NAME];
    if (n < HEADER || kg_get16(bytes) != id || (bytes[2] & 0xF8) != 0x80 || kg_get16(bytes + 4) != 1) {
        return KG_DNS_NOT_OURS;
    }
    uint32_t at = read_dns_name(bytes, n, HEADER, owner);
    if (at == 0 || n - at < 4 || !kg_streq(owner, name) || kg_get16(bytes + at) != TYPE_A ||
        kg_get16(bytes + at + 2) != CLASS_IN) {
        return KG_DNS_NOT_OURS;
    }
    uint8_t code = bytes[3] & 15;
    if (code) {
        return code == 3 ? KG_DNS_NO_NAME : KG_DNS_SERVER_FAILED;
    }
    *address = 0;
    for (uint32_t aliases = 0; aliases <= ALIASES_MOST && *address == 0; aliases++) {
        if (!find_dns_record(bytes, n, at + 4, kg_get16(bytes + 6), owner, address)) {
            break;
        }
    }
    return *address ? KG_DNS_FOUND : KG_DNS_NO_ADDRESS;
}

/* The words of `ip=`: see kgpt/net.h. */
#include "kgpt/net.h"

#include "kgpt/mem.h"
#include "kgpt/str.h"

static bool read_octet(const char **text, uint32_t most, uint32_t *value)
{
    uint32_t n = 0;
    *value = 0;
    for (; **text >= '0' && **text <= '9' && n < 3; n++) {
        *value = *value * 10 + (uint32_t)(*(*text)++ - '0');
    }
    return n > 0 && *value <= most && !(**text >= '0' && **text <= '9');
}

static bool read_dotted_address(const char **text, uint32_t *address)
{
    *address = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t octet;
        if ((i > 0 && *(*text)++ != '.') || !read_octet(text, 255, &octet)) {
            return false;
        }
        *address = *address << 8 | octet;
    }
    return true;
}

bool kg_net_read_address(const char *text, uint32_t *address)
{
    return read_dotted_address(&text, address) && *text == 0;
}

static bool is_usable(uint32_t address)
{
    return address >> 24 != 0 && address >> 24 != 127 && address >> 28 < 0xE;
}

static enum kg_status refuse_words(struct kg_error *error, const char *text, const char *what)
{
    kg_error_set(error, KG_E_INPUT, "ip=%s: %s", text, what);
    kg_error_hint(error, "ip=dhcp, or such as ip=192.168.1.5/24,gw=192.168.1.1,dns=192.168.1.1");
    return KG_E_INPUT;
}

/* ",gw=…" and ",dns=…" up to the end. Returns what is wrong, or NULL. */
static const char *read_rest(const char *at, struct kg_net_settings *settings)
{
    uint32_t servers = 0;
    while (*at) {
        bool gateway = kg_str_starts(at, ",gw="), dns = kg_str_starts(at, ",dns=");
        uint32_t address;
        if (!gateway && !dns) {
            return "after the address only gw= and dns= can follow, with commas";
        }
        at += gateway ? 4 : 5;
        if (!read_dotted_address(&at, &address) || !is_usable(address)) {
            return gateway ? "gw= needs the address of a host" : "dns= needs the address of a host";
        }
        if (gateway && (settings->dhcp || settings->gateway)) {
            return settings->dhcp ? "with dhcp the server says what the gateway is" : "gw= is there twice";
        }
        if (dns && servers == 2) {
            return "there can be two DNS servers";
        }
        if (gateway) {
            settings->gateway = address;
        } else {
            settings->dns[servers++] = address;
        }
    }
    return NULL;
}

static const char *check_static(const struct kg_net_settings *settings)
{
    uint32_t host = settings->address & ~settings->mask;
    if (!is_usable(settings->address)) {
        return "this is no address of a host";
    }
    if (~settings->mask > 1 && (host == 0 || host == ~settings->mask)) {
        return "this is the address of the network, or of all its hosts";
    }
    if (settings->gateway && (settings->gateway & settings->mask) != (settings->address & settings->mask)) {
        return "the gateway is not in this network";
    }
    return settings->gateway && settings->gateway == settings->address ? "the gateway is another host" : NULL;
}

enum kg_status kg_net_read_settings(const char *text, struct kg_net_settings *settings, struct kg_error *error)
{
    const char *at = text, *problem;
    uint32_t prefix = 0;
    *settings = (struct kg_net_settings){0};
    if (kg_str_starts(text, "dhcp")) {
        settings->dhcp = true;
        at += 4;
    } else if (!read_dotted_address(&at, &settings->address)) {
        return refuse_words(error, text, "it begins with dhcp, or with an address of four numbers up to 255");
    } else if (*at++ != '/' || !read_octet(&at, 32, &prefix) || prefix == 0) {
        return refuse_words(error, text, "behind the address the length of the network is missing, such as /24");
    } else {
        settings->mask = KG_NET_PREFIX(prefix);
    }
    problem = read_rest(at, settings);
    if (!problem && !settings->dhcp) {
        problem = check_static(settings);
    }
    return problem ? refuse_words(error, text, problem) : KG_OK;
}

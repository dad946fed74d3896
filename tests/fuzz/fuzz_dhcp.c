/* Messages of a DHCP server to a client in each of its states. The input: pairs of a number of ms / 16 and a message,
 * each after its length; its transaction and hardware address are made right unless its first byte is odd. */
#include <stdlib.h>
#include <string.h>

#include "net/dhcp.h"
#include "net/ip/bytes.h"
#include "promise.h"

struct fuzzed {
    uint64_t now, random;
    uint32_t sent;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool send_nowhere(void *context, const void *frame, size_t n)
{
    struct fuzzed *f = context;
    promise(frame && n >= 42 && n <= 1514);
    f->sent++;
    return true;
}

static uint64_t fuzzed_now(void *context)
{
    const struct fuzzed *f = context;
    return f->now;
}

static bool has_link(void *context)
{
    const struct fuzzed *f = context;
    return f->now % 7 != 3;
}

static void fuzzed_random(void *context, void *to, size_t n)
{
    struct fuzzed *f = context;
    memset(to, (int)++f->random, n);
}

static void push_message(struct kg_dhcp *dhcp, const uint8_t *bytes, size_t n)
{
    struct kg_dhcp_lease lease;
    uint8_t *copy = malloc(n ? n : 1); /* of exactly its size: the sanitizer sees its end */
    promise(copy);
    memcpy(copy, bytes, n);
    if (n >= 240 && !(bytes[0] & 1)) {
        copy[0] = 2;
        copy[1] = 1;
        copy[2] = 6;
        kg_put32(copy + 4, dhcp->xid);
        memcpy(copy + 28, dhcp->ip->link.mac, 6);
        kg_put32(copy + 236, 0x63825363);
    }
    kg_dhcp_read(copy, (uint32_t)n, dhcp->xid, dhcp->ip->link.mac, &lease);
    dhcp->ip->udp[0].receive(dhcp, 0x0A000009, 67, copy, (uint32_t)n);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct kg_ip ip;
    struct fuzzed f = {.now = 1000};
    struct kg_dhcp dhcp;
    struct kg_net_link link = {.context = &f,
                               .send = send_nowhere,
                               .has_link = has_link,
                               .now_ms = fuzzed_now,
                               .random = fuzzed_random,
                               .mac = {2, 0, 0, 0, 0, 2},
                               .mtu = 1500};
    kg_ip_init(&ip, &link);
    kg_dhcp_start(&dhcp, &ip);
    while (size >= 3) {
        size_t n = (size_t)kg_get16(data + 1) % 600;
        f.now += (uint64_t)data[0] * 16;
        data += 3;
        size -= 3;
        n = n < size ? n : size;
        ip.now = f.now;
        kg_dhcp_poll(&dhcp);
        push_message(&dhcp, data, n);
        kg_dhcp_poll(&dhcp);
        promise((dhcp.state >= KG_DHCP_BOUND) == (ip.address != 0));
        promise(ip.address == 0 || (ip.address >> 28 < 0xE && ip.address >> 24 != 127 && ip.mask));
        promise(ip.link.mtu >= KG_PATH_MTU_LEAST && ip.link.mtu <= 1500);
        promise(dhcp.state == KG_DHCP_OFF || kg_dhcp_next(&dhcp) >= ip.now || dhcp.state == KG_DHCP_WAITING);
        data += n;
        size -= n;
    }
    return 0;
}

/* A link of our stack in a process: a TAP device in a network namespace of its own, whose Linux end has 10.77.0.1, or
 * one end of a socket pair, and a wire that loses and damages frames between (net_impair.h). */
#ifndef KGPT_NET_TAP_H
#define KGPT_NET_TAP_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "kgpt/net.h"
#include "net_impair.h"

#define TAP_SKIPPED 77

struct tap {
    int file;
    uint16_t mtu;
    bool ends_with_input; /* the process ends when its standard input does */
    struct wire in, out;
};

static inline uint64_t tap_clock(void *context)
{
    struct timespec now;
    (void)context;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline void tap_deliver(struct tap *t)
{
    uint8_t frame[WIRE_FRAME];
    size_t n;
    while ((n = wire_get(&t->out, tap_clock(t), frame, sizeof frame)) > 0) {
        if (write(t->file, frame, n) < 0 && errno != EAGAIN && errno != EIO) {
            perror("tap");
        }
    }
}

static inline bool tap_send(void *context, const void *frame, size_t n)
{
    struct tap *t = context;
    wire_put(&t->out, tap_clock(t), frame, n);
    tap_deliver(t);
    return true;
}

static inline size_t tap_receive(void *context, void *frame, size_t size)
{
    struct tap *t = context;
    uint8_t bytes[WIRE_FRAME];
    tap_deliver(t);
    for (;;) {
        ssize_t n = read(t->file, bytes, sizeof bytes);
        if (n <= 0) {
            break;
        }
        wire_put(&t->in, tap_clock(t), bytes, (size_t)n);
    }
    return wire_get(&t->in, tap_clock(t), frame, size);
}

static inline bool tap_has_link(void *context)
{
    (void)context;
    return true;
}

static inline void tap_random(void *context, void *to, size_t n)
{
    (void)context;
    if (getrandom(to, n, 0) != (ssize_t)n) {
        abort();
    }
}

static inline void tap_relax(void *context, uint32_t ms)
{
    struct tap *t = context;
    uint64_t now = tap_clock(t), next = wire_next(&t->in), other = wire_next(&t->out);
    next = other < next ? other : next;
    uint64_t wait = next <= now ? 0 : next - now < ms ? next - now : ms;
    struct pollfd files[2] = {{.fd = t->file, .events = POLLIN}, {.fd = t->ends_with_input ? 0 : -1, .events = POLLIN}};
    poll(files, 2, (int)wait);
    if (files[1].revents) {
        char byte;
        if (read(0, &byte, 1) <= 0) {
            exit(0);
        }
    }
}

static inline void tap_interface(int sock, const char *name, const char *address, int mtu)
{
    struct ifreq request = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&request.ifr_addr;
    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (address) {
        in->sin_family = AF_INET;
        inet_pton(AF_INET, address, &in->sin_addr);
        ioctl(sock, SIOCSIFADDR, &request);
        inet_pton(AF_INET, "255.255.255.0", &in->sin_addr);
        ioctl(sock, SIOCSIFNETMASK, &request);
        request.ifr_mtu = mtu;
        ioctl(sock, SIOCSIFMTU, &request);
    }
    ioctl(sock, SIOCGIFFLAGS, &request);
    request.ifr_flags |= IFF_UP;
    ioctl(sock, SIOCSIFFLAGS, &request);
}

/* Makes the namespace and the TAP device, or takes the descriptor in NET_LINK. False: `wire` cannot be read. */
static inline bool tap_open(struct tap *t, int mtu, const char *wire)
{
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    const char *link = getenv("NET_LINK");
    if (!wire_parse(&t->in, wire) || !wire_parse(&t->out, wire)) {
        return false;
    }
    t->out.state += 77;
    t->mtu = (uint16_t)mtu;
    if (link) {
        t->file = atoi(link);
        fcntl(t->file, F_SETFL, O_NONBLOCK);
        return true;
    }
    strcpy(request.ifr_name, "tap0");
    if (unshare(CLONE_NEWNET) < 0) {
        printf("skip: no network namespace can be made: %s\n", strerror(errno));
        exit(TAP_SKIPPED);
    }
    t->file = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    if (t->file < 0 || ioctl(t->file, TUNSETIFF, &request) < 0) {
        printf("skip: no TAP device can be made: %s\n", strerror(errno));
        exit(TAP_SKIPPED);
    }
    int sock = socket(AF_INET, SOCK_DGRAM, 0);
    tap_interface(sock, "lo", NULL, 0);
    tap_interface(sock, "tap0", "10.77.0.1", mtu);
    close(sock);
    return true;
}

static const struct kg_net_settings tap_settings = {
    .address = 0x0A4D0002, .mask = 0xFFFFFF00, .gateway = 0x0A4D0001}; /* 10.77.0.2 */

static inline struct kg_net_link tap_link(struct tap *t)
{
    return (struct kg_net_link){.context = t,
                                .send = tap_send,
                                .receive = tap_receive,
                                .has_link = tap_has_link,
                                .now_ms = tap_clock,
                                .random = tap_random,
                                .relax = tap_relax,
                                .mac = {2, 0, 0, 0, 0, 2},
                                .mtu = t->mtu};
}

#endif

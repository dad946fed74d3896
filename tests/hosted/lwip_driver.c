/* lwIP (Debian's liblwip) as a peer of our stack, over one end of a socket pair that carries frames. It has 10.77.0.1.
 *     lwip_driver echo FD          echoes each connection to port 7, prints its port, and ends with standard input
 *     lwip_driver ask FD PORT BYTES   sends bytes to 10.77.0.2, shuts, reads all that comes, and prints how many bytes
 *                                  were those of net_driver.c's pattern
 *     lwip_driver fetch FD PORT BYTES   the same, but sends "BYTES\n" alone */
#include <lwip/etharp.h>
#include <lwip/netif.h>
#include <lwip/opt.h>
#include <lwip/sockets.h>
#include <lwip/tcpip.h>
#include <netif/ethernet.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FRAME 1600
#define CHUNK 16384

static int wire;

static err_t send_frame(struct netif *netif, struct pbuf *p)
{
    uint8_t frame[FRAME];
    uint16_t n = pbuf_copy_partial(p, frame, sizeof frame, 0);
    (void)netif;
    return write(wire, frame, n) == n ? ERR_OK : ERR_IF;
}

static void *receive_frames(void *context)
{
    struct netif *netif = context;
    uint8_t frame[FRAME];
    ssize_t n;
    while ((n = read(wire, frame, sizeof frame)) > 0) {
        /* Not of PBUF_POOL: in Debian's 2.1.3 its blocks are smaller than pbuf_alloc thinks. */
        struct pbuf *p = pbuf_alloc(PBUF_RAW, (uint16_t)n, PBUF_RAM);
        if (p && (pbuf_take(p, frame, (uint16_t)n) != ERR_OK || netif->input(p, netif) != ERR_OK)) {
            pbuf_free(p);
        }
    }
    exit(0); /* our stack has ended */
}

static err_t open_interface(struct netif *netif)
{
    static const uint8_t mac[6] = {2, 0, 0, 0, 0, 1};
    memcpy(netif->hwaddr, mac, sizeof mac);
    netif->hwaddr_len = sizeof mac;
    netif->mtu = 1500;
    netif->name[0] = 'k';
    netif->name[1] = 'g';
    netif->output = etharp_output;
    netif->linkoutput = send_frame;
    netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP;
    return ERR_OK;
}

static void start_lwip(void)
{
    static struct netif netif;
    ip4_addr_t address, mask, gateway;
    pthread_t thread;
    IP4_ADDR(&address, 10, 77, 0, 1);
    IP4_ADDR(&mask, 255, 255, 255, 0);
    IP4_ADDR(&gateway, 10, 77, 0, 2);
    tcpip_init(NULL, NULL);
    LOCK_TCPIP_CORE();
    netif_add(&netif, &address, &mask, &gateway, NULL, open_interface, tcpip_input);
    netif_set_default(&netif);
    netif_set_up(&netif);
    UNLOCK_TCPIP_CORE();
    pthread_create(&thread, NULL, receive_frames, &netif);
}

static struct sockaddr_in peer(uint8_t host, uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = lwip_htons(port)};
    uint8_t bytes[4] = {10, 77, 0, host};
    memcpy(&address.sin_addr, bytes, sizeof bytes);
    return address;
}

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)(i * 2654435761u >> 11);
}

static bool send_all(int sock, const uint8_t *bytes, size_t n)
{
    while (n) {
        ssize_t sent = lwip_send(sock, bytes, n, 0);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

static void *echo_one(void *context)
{
    int sock = *(int *)context;
    uint8_t bytes[CHUNK];
    ssize_t n;
    while ((n = lwip_recv(sock, bytes, sizeof bytes, 0)) > 0 && send_all(sock, bytes, (size_t)n)) {
    }
    lwip_close(sock);
    free(context);
    return NULL;
}

static _Noreturn void *echo_all(void *context)
{
    int listener = *(int *)context;
    for (;;) {
        int sock = lwip_accept(listener, NULL, NULL), *held = malloc(sizeof sock);
        pthread_t thread;
        *held = sock;
        pthread_create(&thread, NULL, echo_one, held);
    }
}

static int echo(void)
{
    static int listener;
    struct sockaddr_in address = peer(1, 7);
    pthread_t thread;
    char byte;
    listener = lwip_socket(AF_INET, SOCK_STREAM, 0);
    if (lwip_bind(listener, (struct sockaddr *)&address, sizeof address) || lwip_listen(listener, 8)) {
        return 1;
    }
    pthread_create(&thread, NULL, echo_all, &listener);
    printf("7\n");
    return read(0, &byte, 1) < 0;
}

struct sender {
    int sock;
    uint64_t bytes;
};

static void *send_pattern(void *context)
{
    const struct sender *sender = context;
    uint8_t bytes[CHUNK];
    for (uint64_t at = 0; at < sender->bytes;) {
        size_t n = sender->bytes - at < CHUNK ? (size_t)(sender->bytes - at) : CHUNK;
        for (size_t i = 0; i < n; i++) {
            bytes[i] = pattern(at + i);
        }
        if (!send_all(sender->sock, bytes, n)) {
            return NULL;
        }
        at += n;
    }
    lwip_shutdown(sender->sock, SHUT_WR);
    return NULL;
}

/* Both directions at once. */
static int ask(uint16_t port, uint64_t bytes, bool fetches)
{
    struct sockaddr_in address = peer(2, port);
    struct sender sender = {lwip_socket(AF_INET, SOCK_STREAM, 0), bytes};
    uint8_t got[CHUNK];
    char line[32];
    uint64_t n_got = 0, right = 0;
    pthread_t thread;
    ssize_t n;
    if (lwip_connect(sender.sock, (struct sockaddr *)&address, sizeof address)) {
        printf("no connection\n");
        return 1;
    }
    if (fetches) {
        n = snprintf(line, sizeof line, "%llu\n", (unsigned long long)bytes);
        send_all(sender.sock, (const uint8_t *)line, (size_t)n);
    } else {
        pthread_create(&thread, NULL, send_pattern, &sender);
    }
    while ((n = lwip_recv(sender.sock, got, sizeof got, 0)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            right += got[i] == pattern(n_got + (uint64_t)i);
        }
        n_got += (uint64_t)n;
    }
    if (!fetches) {
        pthread_join(thread, NULL);
    }
    lwip_close(sender.sock);
    printf("%llu bytes, %llu right, %s\n", (unsigned long long)n_got, (unsigned long long)right, n ? "lost" : "ended");
    return 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3) {
        return 2;
    }
    wire = atoi(argv[2]);
    start_lwip();
    if (strcmp(argv[1], "echo") == 0) {
        return echo();
    }
    return argc == 5 ? ask((uint16_t)atoi(argv[3]), strtoull(argv[4], NULL, 10), strcmp(argv[1], "fetch") == 0) : 2;
}

/* What the files of net/ share: the stack. */
#ifndef KGPT_NET_STATE_H
#define KGPT_NET_STATE_H

#include "dhcp.h"
#include "dns.h"
#include "kgpt/net.h"
#include "net/ip/ip.h"
#include "net/tcp/tcp.h"

/* A port of ours, and the numbers of its connections. */
struct kg_net_server {
    struct kg_net *net;
    uint16_t port;                     /* 0: free */
    struct kg_tcp_connection **number; /* limits.servers of them; NULL: free */
};

struct kg_net {
    struct kg_ip ip;
    struct kg_tcp tcp;
    struct kg_dhcp dhcp;
    struct kg_dns dns;
    struct kg_net_limits limits;
    struct kg_net_settings settings;
    struct kg_net_server servers[KG_TCP_LISTENERS];
};

#endif

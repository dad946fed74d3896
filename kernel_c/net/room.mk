ENGINE_LM += \
    net/client.c \
    net/connections.c \
    net/dhcp.c \
    net/dhcp_message.c \
    net/dns.c \
    net/dns_message.c \
    net/net.c \
    net/net_test.c \
    net/settings.c \
    net/tftp.c
SMALL += \
    net/client.c \
    net/connections.c \
    net/dhcp.c \
    net/dhcp_message.c \
    net/dns.c \
    net/dns_message.c \
    net/net.c \
    net/settings.c \
    net/tftp.c
BRANCHES += net/client.c net/dhcp.c net/dhcp_message.c net/dns.c
SHORT_LOOPS += \
    net/client.c \
    net/connections.c \
    net/dhcp.c \
    net/dhcp_message.c \
    net/dns.c \
    net/dns_message.c \
    net/net.c \
    net/settings.c \
    net/tftp.c

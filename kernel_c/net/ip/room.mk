ENGINE_LM += \
    net/ip/arp.c \
    net/ip/checksum.c \
    net/ip/checksum_add.c \
    net/ip/ethernet.c \
    net/ip/icmp.c \
    net/ip/ipv4.c \
    net/ip/siphash.c \
    net/ip/udp.c
# checksum_add.c reads each byte that comes and goes: it is optimized for speed.
SMALL += \
    net/ip/arp.c \
    net/ip/checksum.c \
    net/ip/ethernet.c \
    net/ip/icmp.c \
    net/ip/ipv4.c \
    net/ip/siphash.c \
    net/ip/udp.c
SHORT_LOOPS += \
    net/ip/arp.c \
    net/ip/checksum.c \
    net/ip/ethernet.c \
    net/ip/icmp.c \
    net/ip/ipv4.c \
    net/ip/siphash.c \
    net/ip/udp.c

/* The shell command `net`, in kernels for language models. */
#include "app/events/print.h"
#include "kgpt/device.h"
#include "kgpt/mem.h"
#include "kgpt/net.h"
#include "kgpt/platform.h"
#include "shell.h"

#define ARP_SIZE 42u /* with the Ethernet header */
#define ARP_WAIT_MS 1000u
#define ARP_TRIES 5 /* a frame may be lost, and a card that was just started drops some */
#define MOST_FRAME 1514u

enum arp_field { ETHER_FROM = 6, ETHER_TYPE = 12, ARP_OPERATION = 21, ARP_MAC = 22, ARP_IP = 28, ARP_ABOUT = 38 };
enum { ARP_ASKS = 1, ARP_ANSWERS = 2 };

/* Ethernet's type, and the fields of ARP that are the same in every packet (RFC 826). */
static const uint8_t arp_fixed[] = {0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0};

static void print_card(uint32_t i, struct kg_unit *unit)
{
    const uint8_t *mac = unit->net.mac;
    bool link = unit->net.has_link(unit);
    kg_print("net%u  %-10s  %02x:%02x:%02x:%02x:%02x:%02x  MTU %u  %s\n", i, unit->device->driver->name, mac[0], mac[1],
             mac[2], mac[3], mac[4], mac[5], unit->net.mtu, link ? "link up" : "no link");
}

/* Asks who has the address, from no address of our own: an ARP probe (RFC 5227), which changes no table. */
static bool ask_by_arp(struct kg_unit *unit, const uint8_t ip[4])
{
    uint8_t frame[ARP_SIZE] = {0};
    memset(frame, 0xFF, ETHER_FROM);
    memcpy(frame + ETHER_FROM, unit->net.mac, sizeof unit->net.mac);
    memcpy(frame + ETHER_TYPE, arp_fixed, sizeof arp_fixed);
    frame[ARP_OPERATION] = ARP_ASKS;
    memcpy(frame + ARP_MAC, unit->net.mac, sizeof unit->net.mac);
    memcpy(frame + ARP_ABOUT, ip, 4);
    return unit->net.send(unit, frame, sizeof frame);
}

/* True for the answer. */
static bool answers_arp(const uint8_t *frame, size_t n, const uint8_t ip[4])
{
    return n >= ARP_SIZE && memcmp(frame + ETHER_TYPE, arp_fixed, sizeof arp_fixed) == 0 &&
           frame[ARP_OPERATION] == ARP_ANSWERS && memcmp(frame + ARP_IP, ip, 4) == 0;
}

/* Waits up to a second. Returns the answer in `frame`, of MOST_FRAME bytes; other frames are dropped. */
static bool await_arp(struct kg_unit *unit, const uint8_t ip[4], uint8_t *frame)
{
    uint64_t begin = plat_ticks(), wait = plat_ticks_hz() / 1000 * ARP_WAIT_MS;
    while (!unit->device->problem && plat_ticks() - begin <= wait) {
        size_t n = unit->net.receive(unit, frame, MOST_FRAME);
        if (answers_arp(frame, n, ip)) {
            return true;
        }
        if (!n) {
            plat_relax();
        }
    }
    return false;
}

static void tell_who_has(uint32_t i, struct kg_unit *unit, const uint8_t ip[4])
{
    uint8_t frame[MOST_FRAME];
    bool found = false;
    for (uint32_t asked = 0; asked < ARP_TRIES && !found && !unit->device->problem; asked++) {
        found = ask_by_arp(unit, ip) && await_arp(unit, ip, frame);
    }
    if (found) {
        const uint8_t *mac = frame + ARP_MAC;
        kg_print("net%u: it is at %02x:%02x:%02x:%02x:%02x:%02x\n", i, mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
    } else {
        kg_print("net%u: %s\n", i, unit->device->problem ? unit->device->problem : "no answer");
    }
}

static enum kg_next run_net(struct kgpt *k, char *arguments)
{
    (void)k;
    uint32_t address = 0;
    struct kg_unit *unit;
    if (*arguments && !kg_net_read_address(arguments, &address)) {
        kg_print("%s is no IPv4 address\n", arguments);
        return KG_NEXT_LINE;
    }
    const uint8_t ip[4] = {(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8),
                           (uint8_t)address};
    if (!kg_unit_find(KG_UNIT_NET, 0)) {
        kg_print("no network cards were found\n");
    }
    for (uint32_t i = 0; (unit = kg_unit_find(KG_UNIT_NET, i)) != NULL; i++) {
        print_card(i, unit);
        if (*arguments) {
            tell_who_has(i, unit, ip);
        }
    }
    return KG_NEXT_LINE;
}

const struct kg_command kg_card_commands[] = {
    {"net", "[ADDRESS]", "the network cards; with an IPv4 address, asks on each of them who has it", run_net, NULL,
     KG_SHELL},
    {0},
};

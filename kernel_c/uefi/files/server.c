/* What files of servers have in common, by HTTP and by TFTP: see stick.h. */
#include "server.h"
#include "files.h"
#include "kgpt/str.h"
#include "uefi/processor.h"
#include "uefi/screen/screen.h"

#define SILENCE_MS 30000
#define KEYS_AFTER_MS 200 /* of silence Esc is looked for: a server that answers costs no look, and no key is lost */

const char kg_server_silent[] = "the server does not answer", kg_server_broken[] = "the connection to the server broke",
           kg_server_unsized[] = "the server does not tell its size",
           kg_server_unwilling[] = "the server does not give it",
           kg_server_longer[] = "it is longer than the server said",
           kg_server_no_card[] = "the firmware has no connection to the network",
           kg_server_hint[] = "look at the server: its files, its log, the network";

const char *kg_server_patience(struct kg_stick *stick, uint64_t begin)
{
    uint64_t silent = (kg_uefi_ticks() - begin) / stick->ticks_per_ms;
    if (silent > SILENCE_MS) {
        return kg_server_silent;
    }
    return silent > KEYS_AFTER_MS && kg_stick_key(stick) == KG_STICK_ESCAPE ? kg_stick_stopped : NULL;
}

size_t kg_server_folder(const char *program, size_t n)
{
    static const char boot[] = "/efi/boot";
    size_t m = sizeof boot - 1, i = 0;
    while (n && program[n - 1] != '/') {
        n--;
    }
    n -= n > 0;
    while (i < m && n >= m && (program[n - m + i] | 0x20) == boot[i]) {
        i++;
    }
    return i == m ? n - m : n;
}

void kg_server_close(struct kg_stick *stick)
{
    struct kg_server *server = &stick->server;
    if (server->child) {
        server->service->destroy_child(server->service, server->child);
    }
    if (server->event) {
        stick->u->system->boot->close_event(server->event);
    }
    server->child = server->event = NULL;
}

void *kg_server_open(struct kg_stick *stick, const struct kg_efi_guid *guid)
{
    struct kg_server *server = &stick->server;
    if (kg_efi_failed(server->service->create_child(server->service, &server->child))) {
        server->child = NULL;
        return NULL;
    }
    if (kg_efi_failed(stick->u->system->boot->create_event(0, 0, NULL, NULL, &server->event))) {
        server->event = NULL;
        return NULL;
    }
    return kg_uefi_protocol(stick->u, server->child, guid);
}

bool kg_server_find(struct kg_stick *stick, void *path, const struct kg_efi_guid *guid)
{
    kg_efi_handle card;
    if (kg_efi_failed(stick->u->system->boot->locate_device_path(guid, &path, &card))) {
        return false;
    }
    stick->server.service = kg_uefi_protocol(stick->u, card, guid);
    return stick->server.service;
}

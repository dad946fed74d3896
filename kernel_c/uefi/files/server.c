/* What files of servers have in common, by HTTP and by TFTP: see stick.h. */
#include "server.h"
#include "files.h"
#include "kgpt/format.h"
#include "kgpt/str.h"
#include "uefi/processor.h"
#include "uefi/screen/screen.h"

#define SILENCE_S 30
#define WAIT_ROW 7
#define TIMER_PERIOD UINT64_C(2500000) /* 0.25 s, in units of 100 ns */
#define KEYS_AFTER_MS 200 /* of silence Esc is looked for: a server that answers costs no look, and no key is lost */

const char kg_server_silent[] = "the server does not answer", kg_server_broken[] = "the connection to the server broke",
           kg_server_unsized[] = "the server does not tell its size",
           kg_server_unwilling[] = "the server does not give it",
           kg_server_longer[] = "it is longer than the server said",
           kg_server_no_card[] = "the firmware has no connection to the network",
           kg_server_hint[] = "look at the server: its files, its log, the network";

void kg_server_heard(struct kg_stick *stick)
{
    stick->server.heard = kg_uefi_ticks();
    if (stick->server.told) {
        stick->server.told = 0;
        kg_stick_row(stick, WAIT_ROW, KG_MENU_PLAIN, "");
    }
}

void kg_server_ask(struct kg_stick *stick, struct kg_text path)
{
    stick->server.asked = path;
    kg_server_heard(stick);
}

static uint64_t silent_ms(const struct kg_stick *stick)
{
    return (kg_uefi_ticks() - stick->server.heard) / stick->ticks_per_ms;
}

/* Writes each second how long the server has been silent. */
static void tell_silence(struct kg_stick *stick)
{
    struct kg_server *server = &stick->server;
    uint64_t seconds = silent_ms(stick) / 1000;
    char text[160];
    if (seconds == 0 || seconds == server->told || seconds > SILENCE_S || stick->drawing) {
        return;
    }
    server->told = seconds;
    if (!stick->cleared) {
        kg_stick_title(stick);
    }
    kg_format(text, sizeof text, "  %.*s: no answer for %llu s of %d. Esc ends the wait.",
              (int)(server->asked.n < 60 ? server->asked.n : 60), server->asked.data, (unsigned long long)seconds,
              SILENCE_S);
    kg_stick_row(stick, WAIT_ROW, KG_MENU_PLAIN, text);
}

/* The firmware calls it, wherever the program is: also inside of a call of the firmware that waits. It may not ask for
 * keys. */
static void KG_EFIAPI hear_timer(kg_efi_event event, void *context)
{
    (void)event;
    tell_silence(context);
}

const char *kg_server_patience(struct kg_stick *stick)
{
    uint64_t silent = silent_ms(stick);
    if (silent > SILENCE_S * UINT64_C(1000)) {
        return kg_server_silent;
    }
    tell_silence(stick);
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
    if (server->timer) {
        stick->u->system->boot->close_event(server->timer);
    }
    server->child = server->event = server->timer = NULL;
}

/* Without a timer the line comes only between calls of the firmware. */
static void start_timer(struct kg_stick *stick)
{
    const struct kg_efi_boot_services *services = stick->u->system->boot;
    struct kg_server *server = &stick->server;
    if (kg_efi_failed(services->create_event(KG_EFI_EVENT_TIMER | KG_EFI_EVENT_NOTIFY_SIGNAL, KG_EFI_TPL_CALLBACK,
                                             hear_timer, stick, &server->timer))) {
        server->timer = NULL;
        return;
    }
    services->set_timer(server->timer, KG_EFI_TIMER_PERIODIC, TIMER_PERIOD);
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
    start_timer(stick);
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

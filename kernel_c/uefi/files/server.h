/* What http.c and tftp.c share: the connection to a server. */
#ifndef KGPT_UEFI_SERVER_H
#define KGPT_UEFI_SERVER_H

#include "uefi/stick.h"

/* server.c. Why a file of a server is not read. */
extern const char kg_server_silent[], kg_server_broken[], kg_server_unsized[], kg_server_unwilling[];
extern const char kg_server_longer[], kg_server_no_card[], kg_server_hint[];
/* The server is asked for a file: from now on it is waited for. */
void kg_server_ask(struct kg_stick *stick, struct kg_text path);
void kg_server_heard(struct kg_stick *stick); /* it has said something */
/* Why the wait for a silent server ends. NULL: it goes on. A line tells the seconds, also (by a timer) while firmware
 * waits by itself. */
const char *kg_server_patience(struct kg_stick *stick);
/* The bytes of the path or URL of a program that are its folder: without the program's name, and without /EFI/BOOT
 * before it, as on a stick. */
size_t kg_server_folder(const char *program, size_t n);
/* Finds the service that makes connections over the card with this device path. */
bool kg_server_find(struct kg_stick *stick, void *path, const struct kg_efi_guid *guid);
/* Makes a connection with an event; NULL: the firmware refuses. It is closed in any case. */
void *kg_server_open(struct kg_stick *stick, const struct kg_efi_guid *guid);
void kg_server_close(struct kg_stick *stick);

#endif

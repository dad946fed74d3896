/* Device paths: bytes of UEFI that name devices and files. */
#ifndef KGPT_UEFI_DEVICE_PATH_H
#define KGPT_UEFI_DEVICE_PATH_H

#include "stick.h"

/* device_path.c. The bytes of a device path without its end; 0: it is NULL, or larger than half of
 * KG_DEVICE_PATH_MAX. */
size_t kg_device_path_size(const uint8_t *path);
/* The first node of this kind. NULL: none. */
const uint8_t *kg_device_path_node(const uint8_t *path, uint8_t type, uint8_t subtype);
/* UTF-8 to UTF-16 with a final 0. `slashes`: / becomes \. Returns the units without the 0. */
size_t kg_stick_utf16(struct kg_text text, uint16_t *out, size_t room, bool slashes);
/* Copies `device`, with a node for a file behind it. False if it does not fit. */
bool kg_device_path_of_file(const uint8_t *device, struct kg_text file, uint8_t path[KG_DEVICE_PATH_MAX]);

#endif

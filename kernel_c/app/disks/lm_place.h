/* Places on disks that our own tools made for the kernel to write to (docs/memory.md): a whole disk, or a file of a FAT
 * or an exFAT. Each is found by its name and its magic. Nothing else on a disk is ever written. */
#ifndef KGPT_APP_LM_PLACE_H
#define KGPT_APP_LM_PLACE_H

#include "app/lm.h"

#include "kgpt/device.h"

/* A run of sectors of a disk. It is looked for again before each use: the disk may be unplugged between two. */
struct kg_lm_place {
    struct kg_unit *unit;
    uint64_t first; /* sector */
    uint64_t size;  /* bytes, a multiple of KG_LM_PLACE_UNIT */
};

#define KG_LM_PLACE_UNIT 4096u /* bytes: whole sectors of every disk */

/* What is looked for. */
struct kg_lm_made {
    const char *path;  /* of the file */
    const char *magic; /* the first bytes of the disk or the file */
};

/* Finds the only such place of this machine. Returns NULL, or why there is none. */
const char *kg_lm_place_find(struct kgpt *k, const struct kg_lm_made *made, struct kg_lm_place *place);

bool kg_lm_place_writable(const struct kg_lm_place *place);

/* `place` is a struct kg_lm_place; `offset` and `n` are multiples of the sector size. False: the disk failed, or the
 * bytes are not within the place. What is written is durable. */
bool kg_lm_place_read(void *place, uint64_t offset, void *to, size_t n);
bool kg_lm_place_write(void *place, uint64_t offset, const void *from, size_t n);

#endif

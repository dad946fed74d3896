/* GGUF files on disks (docs/disks.md). */
#ifndef KGPT_APP_LM_WALK_H
#define KGPT_APP_LM_WALK_H

#include "app/lm.h"

#include "kgpt/device.h"
#include "kgpt/disk.h"

#define KG_LM_WALK_DEPTH 6u /* folders within each other */
#define KG_LM_PATH 1024u

/* A walk over the file systems of all disks, or over their GGUF files. From the arena: it is large. */
struct kg_lm_walk {
    bool (*visit)(struct kg_lm_walk *walk);             /* each GGUF file; true ends the walk */
    bool (*visit_file_system)(struct kg_lm_walk *walk); /* instead, each file system */
    void *context;                                      /* the visitor's */
    bool tell;                                          /* print why file systems cannot be read */
    struct kg_unit *unit;                               /* of the present file, as all below */
    uint32_t part;                                      /* 0: the whole disk */
    uint32_t number;                                    /* of the file, from 1 */
    struct kg_fs_file *file;
    char path[KG_LM_PATH];
    uint32_t n_entries;
    struct kg_disk disk;
    struct kg_fs fs;
    struct kg_fs_entry entries[KG_LM_WALK_DEPTH];
    _Alignas(4) uint8_t sector[4096];
};

/* Calls the visitor. Returns true if it returned true: then file and file system stay open. */
bool kg_lm_walk(struct kg_lm_walk *walk);

/* Reads a whole file to `to`, with progress, and prints the speed. */
enum kg_status kg_lm_read_file(struct kgpt *k, struct kg_fs_file *file, const char *name, uint8_t *to,
                               struct kg_error *error);

#endif

/* GGUF files on disks (docs/disks.md). */
#ifndef KGPT_APP_LM_WALK_H
#define KGPT_APP_LM_WALK_H

#include "app/lm.h"

#include "kgpt/device.h"
#include "kgpt/disk.h"

#define KG_LM_WALK_DEPTH 6u /* folders within each other */
#define KG_LM_PATH 1024u
#define KG_LM_PARTS_MOST 64u

/* A walk over the file systems of all disks, or over their GGUF files. From the arena: it is large. */
struct kg_lm_walk {
    bool (*visit)(struct kg_lm_walk *walk);             /* each GGUF file; true ends the walk */
    bool (*visit_file_system)(struct kg_lm_walk *walk); /* instead, each file system */
    void *context;                                      /* the visitor's */
    bool tell;                                          /* print why file systems cannot be read */
    struct kg_unit *unit;                               /* of the present file, as all below */
    uint32_t part;                                      /* 0: the whole disk */
    uint32_t number;                                    /* of the file, from 1 */
    struct kg_fs_file *file;                            /* the only one, or the first part */
    uint32_t parts;                                     /* NAME.gguf.1, .2 …; 0: one file */
    uint64_t size;                                      /* bytes of the model */
    char path[KG_LM_PATH];                              /* without the number of a part */
    uint32_t n_entries;
    struct kg_disk disk;
    struct kg_fs fs;
    struct kg_fs_entry entries[KG_LM_WALK_DEPTH + 1]; /* the last one is for files beside the present one */
    _Alignas(4) uint8_t sector[4096];
};

/* Calls the visitor. Returns true if it returned true: then file and file system stay open. */
bool kg_lm_walk(struct kg_lm_walk *walk);

/* Part `i` of the model at walk->path, from 1. False: there is none. */
bool kg_lm_find_part(struct kg_lm_walk *walk, uint32_t i, struct kg_fs_file *file);

#endif

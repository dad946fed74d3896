/* Files from disks or servers into memory, with progress and SHA-256: the next pieces are read while those before are
 * hashed, and the weights among them arranged. */
#ifndef KGPT_APP_LM_READ_H
#define KGPT_APP_LM_READ_H

#include "lm_arrange.h"
#include "lm_walk.h"

#include "kgpt/sha256.h"

/* A file, or several one behind the other, on its way into memory. */
struct kg_lm_read {
    struct kgpt *k;
    const char *name;     /* for messages */
    struct kg_unit *unit; /* the disk */
    uint8_t *to;
    uint64_t total, done, hashed; /* bytes; done: read in their order */
    uint64_t began;               /* plat_ticks() */
    struct kg_sha256 sha;
    struct kg_lm_arrange *arrange; /* NULL: it has no weights */
    bool stopped;                  /* by Ctrl-C */
};

void kg_lm_read_begin(struct kg_lm_read *read, struct kgpt *k, const char *name, uint64_t total, uint8_t *to,
                      struct kg_lm_arrange *arrange);

/* Reads the whole of a file of a disk behind what was read. KG_E_STOPPED after Ctrl-C, KG_E_INPUT if the disk fails. */
enum kg_status kg_lm_read_add(struct kg_lm_read *read, struct kg_unit *unit, struct kg_fs_file *file,
                              struct kg_error *error);

/* For what comes from elsewhere, which sets `done`. kg_lm_read_work hashes or arranges about a millisecond's worth;
 * false: there is nothing to do. kg_lm_read_watch looks for Ctrl-C, and tells the progress. */
bool kg_lm_read_work(struct kg_lm_read *read);
void kg_lm_read_watch(struct kg_lm_read *read);
enum kg_status kg_lm_read_stopped(const struct kg_lm_read *read, struct kg_error *error); /* the refusal */

/* Hashes and arranges the rest, and prints the speed. */
void kg_lm_read_end(struct kg_lm_read *read, uint8_t digest[KG_SHA256_SIZE]);

#endif

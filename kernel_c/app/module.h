/* Boot modules, which came over a medium that may be bad: their words can say what they are to be. */
#ifndef KGPT_APP_MODULE_H
#define KGPT_APP_MODULE_H

#include "kgpt.h"
#include "kgpt/sha256.h"

/* Computes the SHA-256 of `file` if the words behind its name say sha256=HEX, and refuses the file if it is another
 * one. `digest` is what was found, and *known says whether it was asked for. */
enum kg_status kg_module_check(struct kgpt *k, const struct kg_file *file, uint8_t digest[KG_SHA256_SIZE], bool *known,
                               struct kg_error *error);

/* All files. */
enum kg_status kg_modules_check(struct kgpt *k, struct kg_error *error);

#endif

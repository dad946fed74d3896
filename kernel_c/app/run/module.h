/* Integrity of boot modules: a medium may be damaged, so the words of a module can state its SHA-256. */
#ifndef KGPT_APP_MODULE_H
#define KGPT_APP_MODULE_H

#include "app/kgpt.h"
#include "kgpt/sha256.h"

/* The last part of a path, for messages that have little room. */
const char *kg_module_base(const char *path);

/* If the words of `file` contain sha256=HEX, computes the SHA-256 into `digest` and refuses the file if it differs.
 * *known is true if the words contain one. */
enum kg_status kg_module_check(struct kgpt *k, const struct kg_file *file, uint8_t digest[KG_SHA256_SIZE], bool *known,
                               struct kg_error *error);

/* Checks all files. */
enum kg_status kg_modules_check(struct kgpt *k, struct kg_error *error);

#endif

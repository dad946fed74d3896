/* The SHA-256 that a disk states of a model. */
#ifndef KGPT_APP_LM_STATED_H
#define KGPT_APP_LM_STATED_H

#include "lm_walk.h"

#include "kgpt/sha256.h"

/* Looks beside the model at walk->path: in NAME.gguf.sha256, as sha256sum writes it, then in the menu of a stick of
 * kgpt image usb. False: neither states it. */
bool kg_lm_stated_hash(struct kgpt *k, struct kg_lm_walk *walk, uint8_t digest[KG_SHA256_SIZE]);

/* The digest in the first of `n` bytes of a NAME.gguf.sha256. False: there is none. */
bool kg_lm_take_hash(const char *text, size_t n, uint8_t digest[KG_SHA256_SIZE]);

/* From `n` bytes of a menu; for tests. `path`: of the model in it. */
bool kg_lm_hash_in_menu(const char *menu, size_t n, const char *path, uint8_t digest[KG_SHA256_SIZE]);

#endif

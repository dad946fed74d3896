/* A list of layers as a user writes it: "0,3-5", "all" or "none". */
#ifndef KGPT_APP_LAYER_LIST_H
#define KGPT_APP_LAYER_LIST_H

#include <stdbool.h>
#include <stdint.h>

#define KG_LAYER_LIST_MOST 1024u /* layers */

struct kg_layer_list {
    uint32_t bits[KG_LAYER_LIST_MOST / 32]; /* bit i % 32 of word i / 32: layer i is in the list */
};

/* Reads a list of layers below `n_layer` (at most KG_LAYER_LIST_MOST); "" is all of them. False: the text is no list,
 * or names a layer that is not there. */
bool kg_layer_list_read(struct kg_layer_list *list, const char *text, uint32_t n_layer);

bool kg_layer_list_has(const struct kg_layer_list *list, uint32_t layer);

/* Writes the layers in ascending order, and returns how many they are. `layers` (KG_LAYER_LIST_MOST). */
uint32_t kg_layer_list_write(const struct kg_layer_list *list, uint32_t *layers);

#endif

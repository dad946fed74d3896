/* Lists of layers: see layer_list.h. */
#include "layer_list.h"

#include "kgpt/str.h"

/* Reads a number below `limit`, and moves *text behind it. */
static bool read_layer_number(const char **text, uint32_t limit, uint32_t *number)
{
    const char *at = *text;
    uint32_t value = 0;
    for (; *at >= '0' && *at <= '9' && value < limit; at++) {
        value = value * 10 + (uint32_t)(*at - '0');
    }
    bool read = at > *text && value < limit;
    *text = at;
    *number = value;
    return read;
}

static void add_layer_range(struct kg_layer_list *list, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        list->bits[i / 32] |= 1u << i % 32;
    }
}

bool kg_layer_list_read(struct kg_layer_list *list, const char *text, uint32_t n_layer)
{
    uint32_t first, last;
    *list = (struct kg_layer_list){0};
    if (!*text || kg_streq(text, "all")) {
        add_layer_range(list, 0, n_layer - 1);
        return true;
    }
    if (kg_streq(text, "none")) {
        return true;
    }
    for (;; text++) {
        if (!read_layer_number(&text, n_layer, &first)) {
            return false;
        }
        last = first;
        if (*text == '-') {
            text++;
            if (!read_layer_number(&text, n_layer, &last) || last < first) {
                return false;
            }
        }
        add_layer_range(list, first, last);
        if (*text != ',') {
            return !*text;
        }
    }
}

bool kg_layer_list_has(const struct kg_layer_list *list, uint32_t layer)
{
    return list->bits[layer / 32] >> layer % 32 & 1;
}

uint32_t kg_layer_list_write(const struct kg_layer_list *list, uint32_t *layers)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < KG_LAYER_LIST_MOST; i++) {
        if (kg_layer_list_has(list, i)) {
            layers[n++] = i;
        }
    }
    return n;
}

/* Fuzzes the reader of JSON. The first byte is the room for values. Every value lies within the text and its parent,
 * strings are UTF-8, and walking the lists and objects meets each value once. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kgpt/json_read.h"
#include "kgpt/utf8.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

UNWATCHED static void check_string(struct kg_text text)
{
    size_t length;
    for (size_t i = 0; i < text.n; i += length) {
        length = kg_utf8_length(text.data + i, text.n - i);
        promise(length > 0);
    }
}

UNWATCHED static void check_value(const struct kg_json_tree *tree, uint32_t i, size_t n)
{
    const struct kg_json_value *value = &tree->values[i];
    uint64_t magnitude;
    bool negative;
    promise((size_t)value->at + value->n <= n);
    promise(value->next > i && value->next <= tree->n);
    bool holds = value->kind == KG_JSON_LIST || value->kind == KG_JSON_OBJECT;
    promise(holds || value->next == i + 1);
    if (value->kind == KG_JSON_STRING) {
        check_string(kg_json_string(tree, i));
    } else if (value->kind == KG_JSON_NUMBER) {
        double number = kg_json_number(tree, i);
        promise(number == number);
        (void)kg_json_whole(tree, i, &magnitude, &negative);
    }
}

/* Marks what is met below `parent`, without recursion: each list and object is walked from its own index. */
UNWATCHED static void check_walk(const struct kg_json_tree *tree, uint8_t *met)
{
    for (uint32_t parent = 0; parent < tree->n; parent++) {
        uint32_t keys = 0;
        for (uint32_t i = kg_json_first(tree, parent); i != KG_JSON_NONE; i = kg_json_after(tree, parent, i)) {
            bool is_key = tree->values[parent].kind == KG_JSON_OBJECT && keys++ % 2 == 0;
            promise(!is_key || tree->values[i].kind == KG_JSON_STRING);
            met[i]++;
        }
        promise(keys % 2 == 0);
        (void)kg_json_member(tree, parent, "a");
    }
    for (uint32_t i = 1; i < tree->n; i++) {
        promise(met[i] == 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct kg_json_tree tree = {.room = data[0]};
    size_t n = size - 1;
    char *text = malloc(n ? n : 1);
    tree.values = malloc((size_t)(tree.room ? tree.room : 1) * sizeof *tree.values);
    uint8_t *met = calloc(256, 1);
    promise(text && tree.values && met);
    memcpy(text, data + 1, n);
    if (kg_json_read(&tree, text, n)) {
        promise(tree.n > 0 && tree.n <= tree.room && tree.values[0].next == tree.n);
        for (uint32_t i = 0; i < tree.n; i++) {
            check_value(&tree, i, n);
        }
        check_walk(&tree, met);
    } else {
        promise(tree.problem && tree.problem_at <= n);
    }
    free(met);
    free(tree.values);
    free(text);
    return 0;
}

/* Sorted indices of fields and tensors, by heapsort. They detect duplicates and overlaps and allow binary search, in
 * O(n log n) for any file. */
#include "gguf_read.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

/* True if number `a` sorts before number `b`. */
typedef bool before_fn(const struct kg_gguf *gguf, uint32_t a, uint32_t b);

/* Compares lengths first: they usually differ. */
static int compare_texts(struct kg_text a, struct kg_text b)
{
    if (a.n != b.n) {
        return a.n < b.n ? -1 : 1;
    }
    return memcmp(a.data, b.data, a.n);
}

static bool field_before(const struct kg_gguf *gguf, uint32_t a, uint32_t b)
{
    return compare_texts(gguf->fields[a].key, gguf->fields[b].key) < 0;
}

static bool tensor_before(const struct kg_gguf *gguf, uint32_t a, uint32_t b)
{
    return compare_texts(gguf->tensors[a].name, gguf->tensors[b].name) < 0;
}

static bool data_before(const struct kg_gguf *gguf, uint32_t a, uint32_t b)
{
    const struct kg_gguf_tensor *x = &gguf->tensors[a], *y = &gguf->tensors[b];
    return x->data < y->data || (x->data == y->data && a < b);
}

/* Sifts order[root] down: until both children sort before it. */
static void sift_down(const struct kg_gguf *gguf, uint32_t *order, uint32_t root, uint32_t n, before_fn *before)
{
    uint32_t moved = order[root];
    for (uint32_t child = 2 * root + 1; child < n; child = 2 * root + 1) {
        if (child + 1 < n && before(gguf, order[child], order[child + 1])) {
            child++;
        }
        if (!before(gguf, moved, order[child])) {
            break;
        }
        order[root] = order[child];
        root = child;
    }
    order[root] = moved;
}

/* Sorts 0 .. n - 1 by heapsort: in place, O(n log n) in the worst case. */
static void sort_order(const struct kg_gguf *gguf, uint32_t *order, uint32_t n, before_fn *before)
{
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (uint32_t i = n / 2; i-- > 0;) {
        sift_down(gguf, order, i, n, before);
    }
    for (uint32_t end = n; end > 1; end--) {
        uint32_t last = order[0];
        order[0] = order[end - 1];
        order[end - 1] = last;
        sift_down(gguf, order, 0, end - 1, before);
    }
}

static enum kg_status refuse_twice(struct kg_error *error, const char *what, struct kg_text name)
{
    char quoted[KG_QUOTE_MAX];
    return kg_gguf_damaged(error, "the %s %s occurs twice", what, kg_gguf_quote(quoted, name));
}

enum kg_status kg_gguf_index_fields(struct kg_gguf *gguf, struct kg_arena *arena, struct kg_error *error)
{
    void *memory;
    enum kg_status status = kg_gguf_memory(arena, gguf->n_fields * sizeof gguf->by_key[0], &memory, error);
    if (status != KG_OK) {
        return status;
    }
    uint32_t *order = memory;
    sort_order(gguf, order, gguf->n_fields, field_before);
    for (uint32_t i = 1; i < gguf->n_fields; i++) {
        if (!field_before(gguf, order[i - 1], order[i])) {
            return refuse_twice(error, "field", gguf->fields[order[i]].key);
        }
    }
    gguf->by_key = order;
    return KG_OK;
}

enum kg_status kg_gguf_index_tensors(struct kg_gguf *gguf, struct kg_arena *arena, struct kg_error *error)
{
    void *memory;
    enum kg_status status = kg_gguf_memory(arena, gguf->n_tensors * sizeof gguf->by_name[0], &memory, error);
    if (status != KG_OK) {
        return status;
    }
    uint32_t *order = memory;
    sort_order(gguf, order, gguf->n_tensors, tensor_before);
    for (uint32_t i = 1; i < gguf->n_tensors; i++) {
        if (!tensor_before(gguf, order[i - 1], order[i])) {
            return refuse_twice(error, "tensor", gguf->tensors[order[i]].name);
        }
    }
    gguf->by_name = order;
    return KG_OK;
}

enum kg_status kg_gguf_check_overlaps(const struct kg_gguf *gguf, uint32_t *order, struct kg_error *error)
{
    sort_order(gguf, order, gguf->n_tensors, data_before);
    for (uint32_t i = 1; i < gguf->n_tensors; i++) {
        const struct kg_gguf_tensor *a = &gguf->tensors[order[i - 1]], *b = &gguf->tensors[order[i]];
        if ((uint64_t)(b->data - a->data) < a->size) {
            char first[KG_QUOTE_MAX], second[KG_QUOTE_MAX];
            return kg_gguf_damaged(error, "the tensors %s and %s overlap", kg_gguf_quote(first, a->name),
                                   kg_gguf_quote(second, b->name));
        }
    }
    return KG_OK;
}

const struct kg_gguf_value *kg_gguf_find(const struct kg_gguf *gguf, const char *key)
{
    struct kg_text wanted = {.data = key, .n = kg_strlen(key)};
    for (uint32_t low = 0, high = gguf->n_fields; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const struct kg_gguf_field *field = &gguf->fields[gguf->by_key[middle]];
        int side = compare_texts(wanted, field->key);
        if (!side) {
            return &field->value;
        }
        low = side > 0 ? middle + 1 : low;
        high = side > 0 ? high : middle;
    }
    return NULL;
}

const struct kg_gguf_tensor *kg_gguf_tensor(const struct kg_gguf *gguf, const char *name)
{
    struct kg_text wanted = {.data = name, .n = kg_strlen(name)};
    for (uint32_t low = 0, high = gguf->n_tensors; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        const struct kg_gguf_tensor *tensor = &gguf->tensors[gguf->by_name[middle]];
        int side = compare_texts(wanted, tensor->name);
        if (!side) {
            return tensor;
        }
        low = side > 0 ? middle + 1 : low;
        high = side > 0 ? high : middle;
    }
    return NULL;
}

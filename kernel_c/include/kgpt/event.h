/* Events of the machine channel, generated from events.def. For each event NAME there is a struct kg_event_NAME and
 * a row kg_event_row_NAME that describes the struct to the writer. Lines are written in chunks, so their length is
 * unlimited. */
#ifndef KGPT_EVENT_H
#define KGPT_EVENT_H

#include <stdalign.h>

#include "kgpt/json.h"
#include "kgpt/str.h"

/* `n` values of the type of the key's kind. */
struct kg_values {
    const void *data;
    size_t n;
};

struct kg_register {
    const char *name;
    uint64_t value;
};

/* A list of objects: `write` calls kg_event_object for each one. */
struct kg_objects {
    void (*write)(struct kg_json *json, const void *context);
    const void *context;
};

/* Every member occupies one or two words of eight bytes, so rows need no offsets. */
#define KG_MEMBER_TEXT const char *
#define KG_MEMBER_STRING struct kg_text
#define KG_MEMBER_UINT uint64_t
#define KG_MEMBER_COUNT uint64_t
#define KG_MEMBER_INT int64_t
#define KG_MEMBER_BOOL alignas(8) bool
#define KG_MEMBER_FLOAT alignas(8) float
#define KG_MEMBER_DECIMAL alignas(8) float
#define KG_MEMBER_DOUBLE double
#define KG_MEMBER_BITS double
#define KG_MEMBER_ADDRESS uint64_t
#define KG_MEMBER_HEX struct kg_values
#define KG_MEMBER_F32 struct kg_values
#define KG_MEMBER_U32 struct kg_values
#define KG_MEMBER_TEXTS struct kg_values
#define KG_MEMBER_UINTS struct kg_values
#define KG_MEMBER_ADDRESSES struct kg_values
#define KG_MEMBER_REGISTERS struct kg_values
#define KG_MEMBER_OBJECTS struct kg_objects

#define KG_EVENT(name, class, help)          \
    extern const char kg_event_row_##name[]; \
    struct kg_event_##name {
#define KG_KEY(kind, name, help) KG_MEMBER_##kind name;
#define KG_END() \
    }            \
    ;
#include "kgpt/events.def"

/* Passes the event's line to `write` in chunks. `values` is the struct of `row`. `all`: include the keys that only
 * kernels for language models send. */
void kg_event_write(void (*write)(const char *bytes, size_t n), const char *row, bool all, const void *values);

/* Writes the event `name` with these values. Keys that are not listed are 0 or empty. */
#define KG_WRITE_EVENT(write, name, ...) \
    kg_event_write(write, kg_event_row_##name, false, &(const struct kg_event_##name){__VA_ARGS__})

/* Writes one element of a list of objects. */
void kg_event_object(struct kg_json *json, const char *row, const void *values);

#endif

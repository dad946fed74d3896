/* A store: named records in an area of fixed size, on a medium that outlives the run. A change is crash-safe: the new
 * record goes into free units, then one of two directories is written, with a higher generation. A run that is killed
 * at any write, also within one, leaves the old or the new state. kgpt_build/memory/store.py has the same layout in
 * Python, and kgpt/store.def the numbers of both. Little endian, in blocks of 4,096 bytes:
 *     block 0      struct kg_store_head, which is written once, when the area is made
 *     blocks 1-3   directory A; blocks 4-6: directory B
 *     block 8      units of 2^n bytes: the records, each a chain of units */
#ifndef KGPT_STORE_H
#define KGPT_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kgpt/error.h"

enum {
#define KG_STORE_NUMBER(name, value) KG_STORE_##name = value,
#include "kgpt/store.def"
};
enum kg_store_kind {
#define KG_STORE_KIND(name, value, text) KG_STORE_##name = value,
#include "kgpt/store.def"
};
#define KG_STORE_TEXT(name, text) extern const char kg_store_##name[sizeof text];
#include "kgpt/store.def"

#define KG_STORE_START (KG_STORE_START_BLOCKS * KG_STORE_BLOCK)

/* What the area lies on. Offsets and sizes are multiples of KG_STORE_BLOCK. */
struct kg_store_medium {
    void *context;
    uint64_t size; /* bytes */
    bool (*read)(void *context, uint64_t offset, void *to, size_t n);
    bool (*write)(void *context, uint64_t offset, const void *from, size_t n); /* durable; NULL: read-only */
};

struct kg_store_head {
    char magic[8]; /* kg_store_magic */
    uint32_t version;
    uint32_t crc32; /* of the fields behind it */
    uint64_t size;  /* bytes of the area */
    uint32_t unit;  /* bytes: a power of two */
    uint32_t units; /* at most KG_STORE_UNITS */
};

struct kg_store_record {
    char name[KG_STORE_NAME];
    uint32_t kind;  /* enum kg_store_kind */
    uint32_t crc32; /* of the record's bytes */
    uint64_t size;  /* bytes, at least 1 */
    uint32_t first; /* unit */
    uint32_t reserved;
    uint64_t time; /* when it was kept: seconds since 1970, UTC; 0: unknown */
};

struct kg_store_directory {
    char magic[8]; /* kg_store_directory_magic */
    uint32_t version;
    uint32_t crc32; /* of all bytes behind it */
    uint64_t generation;
    uint32_t n; /* records */
    uint32_t reserved[9];
    struct kg_store_record records[KG_STORE_RECORDS];
    uint16_t next[KG_STORE_UNITS]; /* of a unit in a chain */
};

/* 24 KB: it belongs into the arena. */
struct kg_store {
    struct kg_store_medium medium;
    struct kg_store_head head;
    struct kg_store_directory directory; /* the newest valid one */
    bool second;                         /* it is directory B */
    uint64_t time;                       /* of records that are put; kg_store_open sets it to 0 */
    bool lost;                           /* a write failed: what the medium holds is only known after a new open */
    uint8_t used[KG_STORE_UNITS];        /* 1: the unit belongs to a record */
    uint8_t block[KG_STORE_BLOCK];       /* the end of a record, padded */
};

/* Reads and checks the area. KG_E_INPUT: it is none, it is damaged, or the medium cannot be read. */
enum kg_status kg_store_open(struct kg_store *store, const struct kg_store_medium *medium, struct kg_error *error);

/* NULL: there is none. */
const struct kg_store_record *kg_store_find(const struct kg_store *store, enum kg_store_kind kind, const char *name);

uint64_t kg_store_free(const struct kg_store *store); /* bytes for records */

/* True for 1 to 31 letters, digits, '-', '_' and '.'. */
bool kg_store_name_fits(const char *name);

/* Keeps `size` bytes under a name, in place of a record of the same kind and name. KG_E_MEMORY with numbers if there
 * is no room for both, which crash safety needs: then nothing is written. */
enum kg_status kg_store_put(struct kg_store *store, enum kg_store_kind kind, const char *name, const void *data,
                            uint64_t size, struct kg_error *error);

/* Reads the `record->size` bytes of a record, and checks their CRC. */
enum kg_status kg_store_get(struct kg_store *store, const struct kg_store_record *record, void *to,
                            struct kg_error *error);

/* Forgets a record that was found. */
enum kg_status kg_store_remove(struct kg_store *store, const struct kg_store_record *record, struct kg_error *error);

#endif

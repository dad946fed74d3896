/* Opening and reading a store: see kgpt/store.h. */
#include "directory.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

_Static_assert(sizeof(struct kg_store_head) == 32, "as the host writes it");
_Static_assert(sizeof(struct kg_store_record) == 64, "as the host writes it");
_Static_assert(sizeof(struct kg_store_directory) == 3 * KG_STORE_BLOCK, "as the host writes it");

#define CHECKED_FROM 16u /* what stands behind the CRC, in the head and in a directory */

#define KG_STORE_TEXT(name, text) const char kg_store_##name[sizeof text] = text;
#include "kgpt/store.def"

uint64_t kg_store_unit_at(const struct kg_store *store, uint32_t unit)
{
    return KG_STORE_START + (uint64_t)unit * store->head.unit;
}

uint64_t kg_store_directory_at(bool second)
{
    return (second ? 4 : 1) * (uint64_t)KG_STORE_BLOCK;
}

uint32_t kg_store_directory_crc(const struct kg_store_directory *directory)
{
    return kg_crc32_long((const uint8_t *)directory + CHECKED_FROM, sizeof *directory - CHECKED_FROM);
}

uint64_t kg_store_units_of(const struct kg_store *store, uint64_t size)
{
    return size / store->head.unit + (size % store->head.unit != 0);
}

static enum kg_status refuse_store(struct kg_error *error, const char *what)
{
    kg_error_set(error, KG_E_INPUT, "the memory %s", what);
    kg_error_hint(error, "make another one with kgpt memory make; what it holds is then gone");
    return KG_E_INPUT;
}

static enum kg_status read_head(struct kg_store *store, struct kg_error *error)
{
    struct kg_store_head *head = &store->head;
    uint32_t unit;
    if (store->medium.size < KG_STORE_START + KG_STORE_BLOCK) {
        return refuse_store(error, "is too small");
    }
    if (!store->medium.read(store->medium.context, 0, store->block, KG_STORE_BLOCK)) {
        return kg_error_set(error, KG_E_INPUT, "the memory cannot be read");
    }
    memcpy(head, store->block, sizeof *head);
    if (memcmp(head->magic, kg_store_magic, sizeof head->magic) != 0 || head->version != KG_STORE_VERSION) {
        return refuse_store(error, "was not made by kgpt, or by another version");
    }
    unit = head->unit;
    if (kg_crc32((const uint8_t *)head + CHECKED_FROM, sizeof *head - CHECKED_FROM) != head->crc32 ||
        head->size > store->medium.size || unit < KG_STORE_BLOCK || (unit & (unit - 1)) != 0 || head->units == 0 ||
        head->units > KG_STORE_UNITS || KG_STORE_START + (uint64_t)head->units * unit > head->size) {
        return refuse_store(error, "has a damaged first block");
    }
    return KG_OK;
}

/* Marks one chain. Each step takes another unit, so a circle ends too. */
static bool mark_record(struct kg_store *store, const struct kg_store_record *record)
{
    uint32_t unit = record->first;
    uint64_t n = kg_store_units_of(store, record->size);
    for (uint64_t i = 0; i < n; i++) {
        if (unit >= store->head.units || store->used[unit]) {
            return false;
        }
        store->used[unit] = 1;
        unit = store->directory.next[unit];
    }
    return n > 0 && unit == KG_STORE_END;
}

bool kg_store_mark_used(struct kg_store *store)
{
    memset(store->used, 0, sizeof store->used);
    for (uint32_t i = 0; i < store->directory.n; i++) {
        const struct kg_store_record *record = &store->directory.records[i];
        if (record->name[KG_STORE_NAME - 1] || !kg_store_name_fits(record->name) || !mark_record(store, record)) {
            return false;
        }
    }
    return true;
}

static bool read_directory(struct kg_store *store, bool second)
{
    struct kg_store_directory *directory = &store->directory;
    return store->medium.read(store->medium.context, kg_store_directory_at(second), directory, sizeof *directory) &&
           memcmp(directory->magic, kg_store_directory_magic, sizeof directory->magic) == 0 &&
           directory->version == KG_STORE_VERSION && kg_store_directory_crc(directory) == directory->crc32 &&
           directory->n <= KG_STORE_RECORDS && kg_store_mark_used(store);
}

enum kg_status kg_store_open(struct kg_store *store, const struct kg_store_medium *medium, struct kg_error *error)
{
    memset(store, 0, sizeof *store);
    store->medium = *medium;
    store->lost = true;
    enum kg_status status = read_head(store, error);
    if (status != KG_OK) {
        return status;
    }
    bool second = read_directory(store, true);
    uint64_t newest = store->directory.generation;
    store->second = second && !(read_directory(store, false) && store->directory.generation > newest);
    if (!read_directory(store, store->second)) {
        return refuse_store(error, "has two damaged directories");
    }
    store->lost = false;
    return KG_OK;
}

bool kg_store_name_fits(const char *name)
{
    size_t n = 0;
    for (; name[n] && n < KG_STORE_NAME; n++) {
        char c = name[n];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_' && c != '.') {
            return false;
        }
    }
    return n > 0 && n < KG_STORE_NAME;
}

const struct kg_store_record *kg_store_find(const struct kg_store *store, enum kg_store_kind kind, const char *name)
{
    for (uint32_t i = 0; i < store->directory.n; i++) {
        const struct kg_store_record *record = &store->directory.records[i];
        if (record->kind == (uint32_t)kind && kg_streq(record->name, name)) {
            return record;
        }
    }
    return NULL;
}

uint64_t kg_store_free(const struct kg_store *store)
{
    uint64_t units = 0;
    for (uint32_t i = 0; i < store->head.units; i++) {
        units += !store->used[i];
    }
    return units * store->head.unit;
}

/* The part of a record in one unit: whole blocks, and the rest by way of store->block. */
static bool read_unit(struct kg_store *store, uint32_t unit, uint8_t *to, size_t n)
{
    const struct kg_store_medium *medium = &store->medium;
    size_t whole = n / KG_STORE_BLOCK * KG_STORE_BLOCK;
    uint64_t at = kg_store_unit_at(store, unit);
    if (whole && !medium->read(medium->context, at, to, whole)) {
        return false;
    }
    if (whole < n && !medium->read(medium->context, at + whole, store->block, KG_STORE_BLOCK)) {
        return false;
    }
    memcpy(to + whole, store->block, n - whole);
    return true;
}

enum kg_status kg_store_get(struct kg_store *store, const struct kg_store_record *record, void *to,
                            struct kg_error *error)
{
    uint32_t unit = record->first;
    for (uint64_t done = 0; done < record->size; done += store->head.unit, unit = store->directory.next[unit]) {
        uint64_t left = record->size - done;
        size_t n = left < store->head.unit ? (size_t)left : store->head.unit;
        if (!read_unit(store, unit, (uint8_t *)to + done, n)) {
            return kg_error_set(error, KG_E_INPUT, "%s cannot be read from the memory", record->name);
        }
    }
    if (kg_crc32_long(to, record->size) != record->crc32) {
        kg_error_set(error, KG_E_INPUT, "%s is damaged: its CRC does not match", record->name);
        kg_error_hint(error, "/forget %s", record->name);
        return KG_E_INPUT;
    }
    return KG_OK;
}

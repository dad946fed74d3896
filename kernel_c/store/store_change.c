/* Changes of a store: see kgpt/store.h. Each ends with the write of the directory that is not in use. */
#include "directory.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kgpt/str.h"

static enum kg_status check_writable(const struct kg_store *store, struct kg_error *error)
{
    if (store->lost) {
        return kg_error_set(error, KG_E_INPUT, "the memory could not be written before: open it again");
    }
    if (!store->medium.write) {
        kg_error_set(error, KG_E_INPUT, "the memory is read-only");
        kg_error_hint(error, "take off the write protection of the medium");
        return KG_E_INPUT;
    }
    return KG_OK;
}

/* A write that failed may have reached the medium: its directory could be valid, so its units must not be reused. */
static enum kg_status refuse_write(struct kg_store *store, struct kg_error *error)
{
    store->lost = true;
    kg_error_set(error, KG_E_INPUT, "the memory cannot be written");
    kg_error_hint(error, "is the medium still plugged in? It keeps the old or the new, as a whole");
    return KG_E_INPUT;
}

/* The switch: makes store->directory, which was changed, the newest one. */
static enum kg_status switch_directory(struct kg_store *store, struct kg_error *error)
{
    struct kg_store_directory *directory = &store->directory;
    directory->generation++;
    directory->crc32 = kg_store_directory_crc(directory);
    if (!store->medium.write(store->medium.context, kg_store_directory_at(!store->second), directory,
                             sizeof *directory)) {
        return refuse_write(store, error);
    }
    store->second = !store->second;
    (void)kg_store_mark_used(store);
    return KG_OK;
}

static bool write_unit(struct kg_store *store, uint32_t unit, const uint8_t *from, size_t n)
{
    const struct kg_store_medium *medium = &store->medium;
    size_t whole = n / KG_STORE_BLOCK * KG_STORE_BLOCK;
    uint64_t at = kg_store_unit_at(store, unit);
    if (whole && !medium->write(medium->context, at, from, whole)) {
        return false;
    }
    if (whole == n) {
        return true;
    }
    memcpy(store->block, from + whole, n - whole);
    memset(store->block + (n - whole), 0, KG_STORE_BLOCK - (n - whole));
    return medium->write(medium->context, at + whole, store->block, KG_STORE_BLOCK);
}

static uint32_t free_unit(const struct kg_store *store, uint32_t from)
{
    while (store->used[from]) {
        from++;
    }
    return from;
}

/* Writes the record into free units, of which there are enough, and chains them. Returns the first, or
 * KG_STORE_END if the medium failed. */
static uint32_t write_record(struct kg_store *store, const uint8_t *data, uint64_t size)
{
    uint32_t first = free_unit(store, 0), unit = first;
    for (uint64_t done = 0;;) {
        uint64_t left = size - done;
        size_t n = left < store->head.unit ? (size_t)left : store->head.unit;
        if (!write_unit(store, unit, data + done, n)) {
            return KG_STORE_END;
        }
        done += n;
        if (done == size) {
            store->directory.next[unit] = KG_STORE_END;
            return first;
        }
        uint32_t next = free_unit(store, unit + 1);
        store->directory.next[unit] = (uint16_t)next;
        unit = next;
    }
}

static enum kg_status check_record_room(const struct kg_store *store, const struct kg_store_record *old,
                                        const char *name, uint64_t size, struct kg_error *error)
{
    uint64_t room = kg_store_free(store);
    if (!old && store->directory.n == KG_STORE_RECORDS) {
        kg_error_set(error, KG_E_MEMORY, "the memory holds %u records already, which is all it can", KG_STORE_RECORDS);
    } else if (kg_store_units_of(store, size) > room / store->head.unit) {
        kg_error_set(error, KG_E_MEMORY, "%s needs %'lu KB, and %'lu KB are free in the memory", name,
                     (unsigned long)((size + 1023) / 1024), (unsigned long)(room / 1024));
    } else {
        return KG_OK;
    }
    kg_error_hint(error, "/forget something: /load lists what is kept");
    return KG_E_MEMORY;
}

enum kg_status kg_store_put(struct kg_store *store, enum kg_store_kind kind, const char *name, const void *data,
                            uint64_t size, struct kg_error *error)
{
    const struct kg_store_record *old = kg_store_find(store, kind, name);
    struct kg_store_directory *directory = &store->directory;
    struct kg_store_record record = {.kind = kind, .size = size, .time = store->time};
    enum kg_status status = check_writable(store, error);
    if (status == KG_OK && (!kg_store_name_fits(name) || size == 0)) {
        kg_error_set(error, KG_E_INPUT, "a name has 1 to %u letters, digits, '-', '_' and '.'", KG_STORE_NAME - 1);
        status = KG_E_INPUT;
    }
    status = status == KG_OK ? check_record_room(store, old, name, size, error) : status;
    if (status != KG_OK) {
        return status;
    }
    memcpy(record.name, name, kg_strlen(name));
    record.crc32 = kg_crc32_long(data, size);
    record.first = write_record(store, data, size);
    if (record.first == KG_STORE_END) {
        return refuse_write(store, error);
    }
    directory->records[old ? (size_t)(old - directory->records) : directory->n++] = record;
    return switch_directory(store, error);
}

enum kg_status kg_store_remove(struct kg_store *store, const struct kg_store_record *record, struct kg_error *error)
{
    struct kg_store_directory *directory = &store->directory;
    size_t at = (size_t)(record - directory->records);
    enum kg_status status = check_writable(store, error);
    if (status != KG_OK) {
        return status;
    }
    directory->n--;
    memmove(&directory->records[at], &directory->records[at + 1], (directory->n - at) * sizeof *record);
    memset(&directory->records[directory->n], 0, sizeof *record);
    return switch_directory(store, error);
}

/* Files into memory: see lm_read.h. */
#include "lm_read.h"

#include "app/events/print.h"
#include "app/events/statusline.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

#define STEP (1u << 20)        /* bytes of a read that is not one of whole sectors */
#define HASHED_AT_ONCE 262144u /* bytes: about a millisecond, after which the disk is looked at */
#define MOST_REQUESTS 8u

/* Requests for a run of sectors. They are begun and end in their order. */
struct queue {
    struct kg_block_request requests[MOST_REQUESTS];
    uint64_t begun, ended;
    uint64_t most; /* that may run */
};

void kg_lm_read_begin(struct kg_lm_read *read, struct kgpt *k, const char *name, uint64_t total, uint8_t *to,
                      struct kg_lm_arrange *arrange)
{
    *read = (struct kg_lm_read){.k = k, .name = name, .to = to, .total = total, .arrange = arrange};
    read->began = plat_ticks();
    kg_sha256_begin(&read->sha, kg_lm_hash_features(k));
}

static uint64_t reading_ms(const struct kg_lm_read *read)
{
    uint64_t hz = plat_ticks_hz(), ms = hz >= 1000 ? (plat_ticks() - read->began) / (hz / 1000) : 0;
    return ms ? ms : 1;
}

void kg_lm_read_watch(struct kg_lm_read *read)
{
    char text[64];
    read->stopped = read->stopped || kg_input_stopped(&read->k->input);
    if (!kg_statusline_due(read->k)) {
        return;
    }
    size_t n =
        kg_format(text, sizeof text, "loading, %lu %%, %lu MB/s", (unsigned long)(read->done * 100 / read->total),
                  (unsigned long)(read->done / 1000 / reading_ms(read)));
    kg_statusline(read->k, "%s", text);
    plat_notice(text, n);
}

/* False: everything that was read is hashed. */
static bool hash_some(struct kg_lm_read *read)
{
    uint64_t left = read->done - read->hashed;
    size_t n = left < HASHED_AT_ONCE ? (size_t)left : HASHED_AT_ONCE;
    kg_sha256_add(&read->sha, read->to + read->hashed, n);
    read->hashed += n;
    return n > 0;
}

bool kg_lm_read_work(struct kg_lm_read *read)
{
    return hash_some(read) || (read->arrange && kg_lm_arrange_some(read->arrange, read->hashed));
}

/* Ends the oldest request; `wait`: even if it still runs. False: it failed. */
static bool end_oldest(struct kg_lm_read *read, struct queue *queue, bool wait)
{
    struct kg_block_request *oldest = &queue->requests[queue->ended % MOST_REQUESTS];
    enum kg_block_state state = kg_block_check(read->unit, oldest);
    if (state == KG_BLOCK_RUNNING && wait) {
        state = kg_block_wait(read->unit, oldest) ? KG_BLOCK_DONE : KG_BLOCK_FAILED;
    }
    if (state == KG_BLOCK_RUNNING) {
        return true;
    }
    queue->ended++;
    read->done += state == KG_BLOCK_DONE ? (uint64_t)oldest->n * read->unit->block.sector_size : 0;
    return state == KG_BLOCK_DONE;
}

/* Reads sectors to the place behind what was read. While requests run, what they have brought is hashed. */
static bool read_whole_sectors(struct kg_lm_read *read, uint64_t first, uint64_t n)
{
    const struct kg_block *block = &read->unit->block;
    struct queue queue = {.most = block->depth - block->running};
    uint8_t *to = read->to + read->done;
    uint64_t at = 0;
    bool ok = queue.most > 0;
    queue.most = queue.most < MOST_REQUESTS ? queue.most : MOST_REQUESTS;
    while (queue.ended < queue.begun || (ok && at < n)) {
        while (ok && at < n && queue.begun - queue.ended < queue.most) {
            uint32_t part = n - at < block->most_sectors ? (uint32_t)(n - at) : block->most_sectors;
            kg_block_begin(read->unit, &queue.requests[queue.begun++ % MOST_REQUESTS], first + at, part,
                           to + at * block->sector_size);
            at += part;
        }
        bool worked = ok && kg_lm_read_work(read);
        ok = end_oldest(read, &queue, !worked) && ok;
        kg_lm_read_watch(read);
        ok = ok && !read->stopped; /* those that run use the memory: they are waited for */
    }
    return ok;
}

/* The bytes of an extent that are not whole sectors of the disk, or not where a device can write. */
static bool read_odd_bytes(struct kg_lm_read *read, struct kg_fs_file *file, uint64_t at, uint64_t n)
{
    while (n > 0 && !read->stopped) {
        size_t part = n < STEP ? (size_t)n : STEP;
        if (!kg_fs_read(file, at, part, read->to + read->done)) {
            return false;
        }
        read->done += part;
        at += part;
        n -= part;
        while (hash_some(read)) {
        }
        kg_lm_read_watch(read);
    }
    return !read->stopped;
}

static bool read_file_extent(struct kg_lm_read *read, struct kg_fs_file *file, uint64_t at,
                             const struct kg_extent *extent)
{
    uint32_t sector = read->unit->block.sector_size;
    bool direct = !extent->hole && extent->offset % sector == 0 && (uintptr_t)(read->to + read->done) % 4 == 0;
    uint64_t whole = direct ? extent->n / sector : 0;
    if (whole && !read_whole_sectors(read, extent->offset / sector, whole)) {
        return false;
    }
    return read_odd_bytes(read, file, at + whole * sector, extent->n - whole * sector);
}

enum kg_status kg_lm_read_stopped(const struct kg_lm_read *read, struct kg_error *error)
{
    kg_error_set(error, KG_E_STOPPED, "loading %.160s was stopped", read->name);
    kg_error_hint(error, "the models in memory stay as they are");
    return KG_E_STOPPED;
}

enum kg_status kg_lm_read_add(struct kg_lm_read *read, struct kg_unit *unit, struct kg_fs_file *file,
                              struct kg_error *error)
{
    struct kg_extent extent;
    read->unit = unit;
    for (uint64_t at = 0; at < file->size; at += extent.n) {
        bool found = kg_fs_extent(file, at, &extent);
        if (found && read_file_extent(read, file, at, &extent)) {
            continue;
        }
        if (read->stopped) {
            return kg_lm_read_stopped(read, error);
        }
        kg_error_set(error, KG_E_INPUT, "%.160s cannot be read at byte %llu of %llu: %s", read->name,
                     (unsigned long long)read->done, (unsigned long long)read->total,
                     found ? "the disk cannot be read" : file->fs->problem);
        kg_error_hint(error, "check the disk; the models in memory stay as they are");
        return KG_E_INPUT;
    }
    return KG_OK;
}

void kg_lm_read_end(struct kg_lm_read *read, uint8_t digest[KG_SHA256_SIZE])
{
    while (kg_lm_read_work(read)) {
        kg_lm_read_watch(read);
    }
    kg_sha256_end(&read->sha, digest);
    uint64_t ms = reading_ms(read);
    kg_print("kgpt: %.160s: %s in %llu ms, %llu MB/s\n", read->name, kg_amount(read->total).text,
             (unsigned long long)ms, (unsigned long long)(read->total / 1000 / ms));
}

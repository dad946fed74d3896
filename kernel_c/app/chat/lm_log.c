/* Transcripts that outlive a run: with log=on each message and reply is appended to a text file that kgpt has made
 * (docs/memory.md). The file keeps its size: behind the text it is filled with line feeds. A sector is full unless it
 * ends with three of them, and no text has three in a row, so the first sector that does is the end of the text.
 *
 * Crash safety: the sectors behind the end are written first, the sector with the end last. A run that is killed in
 * between leaves the text as it was, and remains behind it, which the next run clears. */
#include "app/disks/lm_place.h"

#include "app/events/print.h"

#include "kgpt/date.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/parse.h"
#include "kgpt/store.h"
#include "kgpt/str.h"

#define FILL '\n'
#define FILLED 3u         /* fill bytes that end the text */
#define LINES_MOST 256u   /* bytes of an entry beside message and reply */
#define CHUNK (64u << 10) /* bytes of a read that looks for the end */

/* The log, while something is appended. */
struct log {
    struct kg_lm_place place;
    uint32_t sector;
    uint8_t *buffer; /* (CHUNK) */
};

static bool is_full(const uint8_t *sector, uint32_t n)
{
    for (uint32_t i = 1; i <= FILLED; i++) {
        if (sector[n - i] != FILL) {
            return true;
        }
    }
    return false;
}

/* Bytes of text in a sector that is not full. */
static uint32_t text_in(const uint8_t *sector, uint32_t n)
{
    while (n > 0 && sector[n - 1] == FILL) {
        n--;
    }
    return n;
}

/* The size in the first line must be that of the file: an editor may have changed both. */
static bool head_is_right(const uint8_t *bytes, uint64_t size)
{
    char number[24];
    size_t n = 0, at = sizeof kg_store_log_magic - 1;
    uint64_t stated;
    while (bytes[at + n] >= '0' && bytes[at + n] <= '9' && n + 1 < sizeof number) {
        number[n] = (char)bytes[at + n];
        n++;
    }
    number[n] = '\0';
    return kg_parse_u64(number, &stated) && stated == size;
}

/* The sector of the end. False: the disk failed. */
static bool find_end(struct log *log, uint64_t *end)
{
    for (uint64_t at = 0; at < log->place.size; at += CHUNK) {
        size_t n = log->place.size - at < CHUNK ? (size_t)(log->place.size - at) : CHUNK;
        if (!kg_lm_place_read(&log->place, at, log->buffer, n)) {
            return false;
        }
        for (size_t i = 0; i < n; i += log->sector) {
            if (!is_full(log->buffer + i, log->sector)) {
                *end = at + i;
                return true;
            }
        }
    }
    *end = log->place.size;
    return true;
}

/* Clears what a write that was killed has left behind the end. */
static bool clear_remains(struct log *log, uint64_t end)
{
    for (uint64_t at = end + log->sector; at < log->place.size;) {
        size_t n = log->place.size - at < CHUNK ? (size_t)(log->place.size - at) : CHUNK;
        if (!kg_lm_place_read(&log->place, at, log->buffer, n)) {
            return false;
        }
        if (text_in(log->buffer, (uint32_t)n) == 0) {
            return true;
        }
        memset(log->buffer, FILL, n);
        if (!kg_lm_place_write(&log->place, at, log->buffer, n)) {
            return false;
        }
        at += n;
    }
    return true;
}

/* Appends one byte of a text: no control characters, and never FILLED line feeds in a row. */
static size_t put_log_byte(char *text, size_t n, char c)
{
    if (c == '\r') {
        return n;
    }
    if ((unsigned char)c < ' ' && c != '\n' && c != '\t') {
        c = ' ';
    }
    if (c == '\n' && n >= FILLED - 1) {
        bool filled = true;
        for (uint32_t i = 1; i < FILLED; i++) {
            filled = filled && text[n - i] == '\n';
        }
        if (filled) {
            return n;
        }
    }
    text[n] = c;
    return n + 1;
}

static size_t put_log_bytes(char *text, size_t n, const char *bytes, size_t more)
{
    for (size_t i = 0; i < more; i++) {
        n = put_log_byte(text, n, bytes[i]);
    }
    return n;
}

/* Writes `n` bytes of text behind the end, which it moves: all sectors but the first, and then that one. */
static const char *append_to_log(struct kgpt *k, struct log *log, uint64_t *place, const char *text, size_t n)
{
    uint32_t sector = log->sector;
    uint64_t end = *place;
    if (end >= log->place.size || !kg_lm_place_read(&log->place, end, log->buffer, sector)) {
        return end >= log->place.size ? "it is full" : "it cannot be read";
    }
    uint32_t before = text_in(log->buffer, sector);
    uint64_t size = ((uint64_t)before + n + FILLED + sector - 1) / sector * sector;
    if (size > log->place.size - end) {
        return "it is full";
    }
    uint8_t *bytes = kg_arena_take(&k->arena, size);
    if (!bytes) {
        return "too little memory is free";
    }
    memset(bytes, FILL, size);
    memcpy(bytes, log->buffer, before);
    memcpy(bytes + before, text, n);
    if ((size > sector && !kg_lm_place_write(&log->place, end + sector, bytes + sector, size - sector)) ||
        !kg_lm_place_write(&log->place, end, bytes, sector)) {
        return "it cannot be written: is its disk plugged in and writable?";
    }
    uint64_t total = before + n, left = sector - total % sector;
    *place = end + total / sector * sector + (left < FILLED ? sector : 0);
    return NULL;
}

/* Opens the log. Returns NULL, or why there is none. */
static const char *open_log(struct kgpt *k, struct log *log)
{
    static const struct kg_lm_made made = {kg_store_log_path, kg_store_log_magic};
    const char *problem = kg_lm_place_find(k, &made, &log->place);
    if (problem) {
        return problem;
    }
    log->sector = log->place.unit->block.sector_size;
    log->buffer = kg_arena_take(&k->arena, CHUNK);
    if (!log->buffer) {
        return "too little memory is free";
    }
    if (!kg_lm_place_read(&log->place, 0, log->buffer, KG_LM_PLACE_UNIT)) {
        return "it cannot be read";
    }
    return head_is_right(log->buffer, log->place.size) ? NULL
                                                       : "its file was changed: its size is not that of its head";
}

/* The end: remembered from the last time, if the log is the same one and nobody else has written to it. */
static const char *locate_end(struct kgpt *k, struct log *log, uint64_t *end)
{
    struct kg_lm *lm = k->lm;
    *end = lm->log_end;
    if (*end && *end < log->place.size && kg_lm_place_read(&log->place, *end, log->buffer, log->sector) &&
        !is_full(log->buffer, log->sector) &&
        (*end < log->sector || (kg_lm_place_read(&log->place, *end - log->sector, log->buffer, log->sector) &&
                                is_full(log->buffer, log->sector)))) {
        return NULL;
    }
    if (!find_end(log, end)) {
        return "it cannot be read";
    }
    return clear_remains(log, *end) ? NULL : "it cannot be written: is its disk plugged in and writable?";
}

static const char *log_text(struct kgpt *k, const char *text, size_t n)
{
    struct log log;
    uint64_t end;
    const char *problem = open_log(k, &log);
    problem = problem ? problem : locate_end(k, &log, &end);
    problem = problem ? problem : append_to_log(k, &log, &end, text, n);
    k->lm->log_end = problem ? 0 : end;
    return problem;
}

/* The line that a run begins with: model, seed, and the date if the clock can be right. */
static size_t put_title(const struct kgpt *k, char *text, size_t n)
{
    char line[160], date[KG_DATE_TEXT];
    kg_date_text(plat_time(), date);
    size_t length = kg_format(line, sizeof line, "\n== %.80s, seed %lu%s%s ==\n", k->lm->loaded.model.name,
                              (unsigned long)k->lm->conversation.request.seed, date[0] ? ", " : "", date);
    return put_log_bytes(text, n, line, length);
}

/* What a turn adds: a line that names the model at the first time, the message behind "> ", the reply. */
static size_t write_entry(const struct kgpt *k, const struct kg_lm_turn *turn, char *text)
{
    const struct kg_reply *reply = &k->lm->conversation.reply;
    size_t n = put_log_byte(text, 0, '\n');
    if (!k->lm->log_begun) {
        n = put_title(k, text, n);
    }
    if (turn->mode == KG_MODE_CHAT) {
        n = put_log_bytes(text, n, turn->asked.n ? "\n> " : "\n(another reply)", turn->asked.n ? 3 : 16);
        n = put_log_bytes(text, n, turn->asked.data, turn->asked.n);
        n = put_log_byte(text, n, '\n');
    }
    n = put_log_bytes(text, n, reply->text, reply->n);
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    return n;
}

void kg_lm_log_turn(struct kgpt *k, const struct kg_lm_turn *turn)
{
    size_t used = k->arena.used;
    if (k->config.lm.log == KG_LOG_OFF) {
        return;
    }
    char *text = kg_arena_take(&k->arena, LINES_MOST + turn->asked.n + k->lm->conversation.reply.n);
    const char *problem = text ? log_text(k, text, write_entry(k, turn, text)) : "too little memory is free";
    if (problem) {
        struct kg_error error = {0};
        kg_error_set(&error, KG_E_INPUT, "the transcript cannot be kept any more: %s", problem);
        kg_error_hint(&error, "docs/memory.md describes log=on; the chat goes on without it");
        kg_say_refused(&error);
        k->config.lm.log = KG_LOG_OFF;
    }
    k->lm->log_begun = k->lm->log_begun || !problem;
    kg_arena_rewind(&k->arena, used);
}

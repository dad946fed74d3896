/* A hostile memory: any records and chains on the medium of a store, and any kept conversation. A fuzzer cannot guess a
 * check sum, so the first byte says which are corrected. The input is short: byte 1 is the unit's shift, byte 2 the
 * number of units, byte 3 that of records, then 12 bytes a record, then the chain in bytes; what follows is the record
 * "kept", which is opened as a conversation. */
#include <stdlib.h>
#include <string.h>

#include "infer/kv.h"
#include "kgpt/crc32.h"
#include "kgpt/kept.h"
#include "kgpt/store.h"
#include "promise.h"

#define AREA (88u << 10) /* 14 units */
#define MOST_RECORDS 4u
#define RECORD_BYTES 12u
#define CHAIN 14u
#define PREFILL_CRC_AT 16u
#define PREFILL_CRC_START 20u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct area {
    uint8_t bytes[AREA];
};

/* What kept.c calls to go on with a conversation, which no input here does. */
void kg_conversation_reset(struct kg_conversation *conversation)
{
    (void)conversation;
    abort();
}

void kg_speculation_forget(struct kg_speculation *speculation)
{
    (void)speculation;
    abort();
}

enum kg_status kg_lm_eval(struct kg_lm_session *session, const uint32_t *tokens, uint32_t n, bool (*stopped)(void *),
                          void *context, struct kg_error *error)
{
    (void)session;
    (void)tokens;
    (void)n;
    (void)stopped;
    (void)context;
    (void)error;
    abort();
}

static bool is_possible(uint64_t offset, size_t n)
{
    return offset % KG_STORE_BLOCK == 0 && n % KG_STORE_BLOCK == 0 && offset <= AREA && n <= AREA - offset;
}

static bool read_area(void *context, uint64_t offset, void *to, size_t n)
{
    const struct area *area = context;
    promise(is_possible(offset, n));
    memcpy(to, area->bytes + offset, n);
    return true;
}

static bool write_area(void *context, uint64_t offset, const void *from, size_t n)
{
    struct area *area = context;
    promise(is_possible(offset, n) && offset >= KG_STORE_BLOCK); /* the head is never written */
    memcpy(area->bytes + offset, from, n);
    return true;
}

/* Fills the area from the input, and returns what is left of it. */
static size_t fill_area(struct area *area, const uint8_t *data, size_t size)
{
    struct kg_store_head head = {.version = KG_STORE_VERSION, .size = AREA};
    static struct kg_store_directory directory;
    size_t at = 4 + MOST_RECORDS * RECORD_BYTES + CHAIN;
    memset(&directory, 0, sizeof directory);
    memcpy(head.magic, kg_store_magic, sizeof head.magic);
    head.unit = 1u << (data[1] % 32);
    head.units = data[2];
    head.crc32 = data[0] & 1 ? kg_crc32((const uint8_t *)&head + 16, sizeof head - 16) : 0;
    memcpy(directory.magic, kg_store_directory_magic, sizeof directory.magic);
    directory.version = KG_STORE_VERSION;
    directory.generation = data[0] >> 4;
    directory.n = data[3];
    for (uint32_t i = 0; i < MOST_RECORDS; i++) {
        const uint8_t *from = data + 4 + (size_t)i * RECORD_BYTES;
        struct kg_store_record *record = &directory.records[i];
        memcpy(record->name, from, 4);
        record->kind = from[4] % 3;
        record->size = from[5] | from[6] << 8 | (uint64_t)from[7] << (from[8] % 56);
        record->first = from[9] | (uint32_t)from[10] << (from[11] % 24);
    }
    for (uint32_t i = 0; i < CHAIN; i++) {
        uint8_t next = data[4 + MOST_RECORDS * RECORD_BYTES + i];
        directory.next[i] = next == 0xFF ? KG_STORE_END : next;
    }
    directory.crc32 = data[0] & 2 ? kg_crc32_long((const uint8_t *)&directory + 16, sizeof directory - 16) : 0;
    memset(area->bytes, 0x5A, sizeof area->bytes);
    memcpy(area->bytes, &head, sizeof head);
    memcpy(area->bytes + KG_STORE_BLOCK, &directory, sizeof directory);
    return size - at;
}

/* Reads every record, keeps one more, and forgets it: the others stay as they are. */
static void use_store(struct kg_store *store, struct area *area, const uint8_t *data, size_t n)
{
    struct kg_error error = {0};
    struct area before = *area;
    uint8_t *to = malloc(AREA);
    promise(to);
    for (uint32_t i = 0; i < store->directory.n; i++) {
        const struct kg_store_record *record = &store->directory.records[i];
        promise(record->size <= AREA);
        (void)kg_store_get(store, record, to, &error);
    }
    uint64_t room = kg_store_free(store);
    bool there = kg_store_find(store, KG_STORE_CONVERSATION, "kept") != NULL;
    promise(room <= AREA);
    if (n > 0 && kg_store_put(store, KG_STORE_CONVERSATION, "kept", data, n, &error) == KG_OK) {
        const struct kg_store_record *record = kg_store_find(store, KG_STORE_CONVERSATION, "kept");
        promise(record && record->size == n && kg_store_get(store, record, to, &error) == KG_OK);
        promise(memcmp(to, data, n) == 0);
        promise(kg_store_remove(store, record, &error) == KG_OK);
        promise(there || kg_store_free(store) == room);
        promise(memcmp(area->bytes, before.bytes, KG_STORE_BLOCK) == 0);
    }
    free(to);
}

static const struct kg_kept_origin origin = {.of = {.model = {1}, .chat = {2}}, .vocab = {3}};

/* Corrects what a fuzzer cannot guess: the hashes, and the CRC of the context. */
static void correct_kept(uint8_t *bytes, size_t n, uint8_t fields)
{
    struct kg_kept_head head;
    if (n < sizeof head) {
        return;
    }
    memcpy(&head, bytes, sizeof head);
    if (fields & 4) {
        head.origin = origin;
        head.origin.of.model[0] = fields & 8 ? 1 : 9;
        memcpy(bytes, &head, sizeof head);
    }
    uint64_t at =
        (sizeof head + (uint64_t)head.settings_n + head.reply_n + KG_KEPT_ALIGN - 1) / KG_KEPT_ALIGN * KG_KEPT_ALIGN;
    if (at <= n && n - at > PREFILL_CRC_START) {
        uint8_t *blob = bytes + at;
        uint32_t crc = kg_crc32_long(blob + PREFILL_CRC_START, n - at - PREFILL_CRC_START);
        memcpy(blob + PREFILL_CRC_AT, &crc, sizeof crc);
    }
}

static void open_kept(const uint8_t *data, size_t n, uint8_t fields)
{
    static struct kg_lm_loaded loaded;
    struct kg_kept kept;
    struct kg_error error = {0};
    uint8_t *bytes = malloc(n ? n : 1);
    promise(bytes);
    loaded.vocab.n_vocab = 9;
    loaded.vocab.longest = 4;
    loaded.model =
        (struct kg_lm_model){.n_vocab = 9, .n_ctx_train = 8, .n_layer = 2, .n_head = 2, .n_head_kv = 2, .head_dim = 4};
    memcpy(bytes, data, n);
    correct_kept(bytes, n, fields);
    if (kg_kept_open(&kept, bytes, n, &loaded, &origin, &error) == KG_OK) {
        promise(kept.context.n == kept.head.n && kept.head.n > 0);
        promise(kept.foreign || kept.context.n <= 8);
        promise(kept.settings.data >= (const char *)bytes && kept.settings.n <= n);
        promise(kept.reply.n <= n && kept.reply.data + kept.reply.n <= (const char *)bytes + n);
    } else {
        promise(error.message[0]);
    }
    free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct area area;
    struct kg_error error = {0};
    if (size < 4 + MOST_RECORDS * RECORD_BYTES + CHAIN) {
        return 0;
    }
    size_t left = fill_area(&area, data, size);
    struct kg_store *store = malloc(sizeof *store); /* not static: the sanitizer sees its ends */
    promise(store);
    const struct kg_store_medium medium = {&area, AREA, read_area, write_area};
    if (kg_store_open(store, &medium, &error) == KG_OK) {
        use_store(store, &area, data + size - left, left);
    } else {
        promise(error.message[0]);
    }
    free(store);
    open_kept(data + size - left, left, data[0]);
    return 0;
}

/* The keys and values of a prompt that was computed when the image was built. See kgpt/prefill.h. */
#include "kgpt/prefill.h"

#include "kgpt/crc32.h"
#include "kgpt/mem.h"
#include "kv.h"

#define ALIGN 64u

/* The blob's start, as it lies in memory. */
struct header {
    char magic[4];
    uint32_t version;
    uint64_t size;
    uint32_t crc32;
    uint32_t n, kv, vector, n_layer, n_head_kv, head_dim, system_size;
    struct kg_prefill_origin origin;
};
#define CRC_START 20u
#define HEADER_SIZE 112u

_Static_assert(sizeof(struct header) == HEADER_SIZE, "as the host writes it");

#define OTHER_SHAPE "its keys and values are not of the model's shape"
#define OTHER_SIZES "its number of tokens or its system prompt is not possible"

static const char magic[4] = {'K', 'G', 'P', 'F'};

/* Offsets of the parts from the start of the blob. */
struct layout {
    uint64_t tokens, system, keys, values, size;
};

static struct layout lay_out(uint64_t n, uint64_t system_size, uint64_t cache_bytes)
{
    struct layout place = {.tokens = HEADER_SIZE};
    place.system = place.tokens + n * sizeof(uint32_t);
    place.keys = (place.system + system_size) / ALIGN * ALIGN + ALIGN;
    place.values = place.keys + cache_bytes;
    place.size = place.values + cache_bytes;
    return place;
}

static enum kg_status refuse_blob(struct kg_error *error, const char *what)
{
    kg_error_set(error, KG_E_INPUT, "the prefill is damaged: %s", what);
    kg_error_hint(error, "compute it again: kgpt build --prefill");
    return KG_E_INPUT;
}

static enum kg_status refuse_origin(struct kg_error *error, const char *what, const uint8_t *made_for,
                                    const uint8_t *given)
{
    kg_error_set(error, KG_E_INPUT,
                 "the prefill was computed for another %s: SHA-256 %02x%02x%02x%02x…, not %02x%02x%02x%02x…", what,
                 made_for[0], made_for[1], made_for[2], made_for[3], given[0], given[1], given[2], given[3]);
    kg_error_hint(error, "compute it again: kgpt build --prefill");
    return KG_E_INPUT;
}

static bool text_ends_at(const uint8_t *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (text[i] == 0) {
            return false;
        }
    }
    return text[n] == 0;
}

/* Checks the numbers of a blob of `size` bytes against each other. */
static enum kg_status check_parts(const struct header *header, const uint8_t *blob, uint64_t size,
                                  struct kg_error *error)
{
    if (header->kv > KG_KV_F32 || header->head_dim > KG_LM_MOST_HEAD_DIM ||
        header->vector != kg_kv_size((enum kg_kv_type)header->kv, header->head_dim)) {
        return refuse_blob(error, OTHER_SHAPE);
    }
    if (header->n == 0 || header->system_size > KG_PREFILL_MAX_SYSTEM) {
        return refuse_blob(error, OTHER_SIZES);
    }
    uint64_t cache = kg_arena_times((uint64_t)header->n_layer * header->n_head_kv, header->n);
    cache = kg_arena_times(cache, header->vector);
    struct layout place = lay_out(header->n, header->system_size, cache);
    if (cache > size || place.size != size) {
        return refuse_blob(error, "its parts have not its size");
    }
    if (!text_ends_at(blob + place.system, header->system_size)) {
        return refuse_blob(error, "its system prompt does not end where it should");
    }
    return KG_OK;
}

static enum kg_status check_blob(const struct header *header, const uint8_t *blob, uint64_t size,
                                 struct kg_error *error)
{
    if (memcmp(header->magic, magic, sizeof magic) != 0) {
        return refuse_blob(error, "it does not begin with KGPF");
    }
    if (header->version != KG_PREFILL_VERSION) {
        return refuse_blob(error, "its version is not 1");
    }
    if (header->size != size) {
        return refuse_blob(error, "its size is not that of its bytes");
    }
    if (kg_crc32_long(blob + CRC_START, size - CRC_START) != header->crc32) {
        return refuse_blob(error, "its CRC does not match");
    }
    return check_parts(header, blob, size, error);
}

static uint32_t prefilled_token(const struct kg_prefill *prefill, uint32_t i)
{
    uint32_t token;
    memcpy(&token, prefill->tokens + (size_t)i * sizeof token, sizeof token);
    return token;
}

/* Compares the prefill with the model that it shall begin the chats of. */
static enum kg_status check_model(const struct header *header, const struct kg_prefill *prefill,
                                  const struct kg_lm_model *model, const struct kg_prefill_origin *origin,
                                  struct kg_error *error)
{
    if (memcmp(header->origin.model, origin->model, sizeof origin->model) != 0) {
        return refuse_origin(error, "model", header->origin.model, origin->model);
    }
    if (memcmp(header->origin.chat, origin->chat, sizeof origin->chat) != 0) {
        return refuse_origin(error, "chat template", header->origin.chat, origin->chat);
    }
    if (header->n_layer != model->n_layer || header->n_head_kv != model->n_head_kv ||
        header->head_dim != model->head_dim) {
        return refuse_blob(error, OTHER_SHAPE);
    }
    if (prefill->n > model->n_ctx_train) {
        return refuse_blob(error, OTHER_SIZES);
    }
    return KG_OK;
}

static enum kg_status check_prefilled_tokens(const struct kg_prefill *prefill, uint32_t n_vocab, struct kg_error *error)
{
    for (uint32_t i = 0; i < prefill->n; i++) {
        if (prefilled_token(prefill, i) >= n_vocab) {
            return refuse_blob(error, "a token is not one of the model's");
        }
    }
    return KG_OK;
}

/* The parts of a blob that is whole, of any model. */
static enum kg_status read_blob(struct header *header, struct kg_prefill *found, const void *blob, uint64_t size,
                                struct kg_error *error)
{
    const uint8_t *bytes = blob;
    if (size < sizeof *header) {
        return refuse_blob(error, "it is too short");
    }
    memcpy(header, blob, sizeof *header); /* a boot module may be unaligned */
    enum kg_status status = check_blob(header, bytes, size, error);
    if (status != KG_OK) {
        return status;
    }
    uint64_t cache = (uint64_t)header->n_layer * header->n_head_kv * header->n * header->vector;
    struct layout place = lay_out(header->n, header->system_size, cache);
    *found = (struct kg_prefill){.n = header->n,
                                 .kv = (enum kg_kv_type)header->kv,
                                 .size = size,
                                 .system = {(const char *)bytes + place.system, header->system_size},
                                 .tokens = bytes + place.tokens,
                                 .keys = bytes + place.keys,
                                 .values = bytes + place.values};
    return KG_OK;
}

enum kg_status kg_prefill_open(struct kg_prefill *prefill, const void *blob, uint64_t size,
                               const struct kg_lm_model *model, const struct kg_prefill_origin *origin,
                               struct kg_error *error)
{
    struct header header;
    struct kg_prefill found;
    *prefill = (struct kg_prefill){0};
    enum kg_status status = read_blob(&header, &found, blob, size, error);
    status = status == KG_OK ? check_model(&header, &found, model, origin, error) : status;
    status = status == KG_OK ? check_prefilled_tokens(&found, model->n_vocab, error) : status;
    if (status == KG_OK) {
        *prefill = found;
    }
    return status;
}

enum kg_status kg_prefill_open_tokens(struct kg_prefill *prefill, const void *blob, uint64_t size, uint32_t n_vocab,
                                      struct kg_error *error)
{
    struct header header;
    struct kg_prefill found;
    *prefill = (struct kg_prefill){0};
    enum kg_status status = read_blob(&header, &found, blob, size, error);
    status = status == KG_OK ? check_prefilled_tokens(&found, n_vocab, error) : status;
    if (status == KG_OK) {
        *prefill = found;
        prefill->keys = prefill->values = NULL;
    }
    return status;
}

bool kg_prefill_fits(const struct kg_prefill *prefill, const struct kg_lm_session *session)
{
    return prefill->n && prefill->keys && prefill->kv == session->options.kv && prefill->n <= session->options.n_ctx;
}

uint32_t kg_prefill_common(const struct kg_prefill *prefill, const struct kg_lm_session *session,
                           const uint32_t *tokens, uint32_t n)
{
    uint32_t same = 0, most = n > 0 ? n - 1 : 0;
    most = !kg_prefill_fits(prefill, session) ? 0 : prefill->n < most ? prefill->n : most;
    while (same < most && prefilled_token(prefill, same) == tokens[same]) {
        same++;
    }
    return same;
}

uint32_t kg_prefill_begin(const struct kg_prefill *prefill, struct kg_lm_session *session, const uint32_t *tokens,
                          uint32_t n)
{
    uint32_t same = kg_prefill_common(prefill, session, tokens, n);
    if (same == 0) {
        return 0;
    }
    memcpy(session->tokens, tokens, same * sizeof *tokens);
    session->n_past = same;
    session->kv->base = (struct kg_lm_kv_base){prefill->keys, prefill->values, prefill->n, same};
    if ((uintptr_t)prefill->keys % ALIGN) { /* of a module that does not begin where its loader should put it */
        kg_lm_own(session);
    }
    return same;
}

static uint64_t cache_bytes_of(const struct kg_lm_session *session)
{
    const struct kg_lm_kv *kv = session->kv;
    return (uint64_t)session->model->n_layer * kv->heads * session->n_past * kv->vector;
}

uint64_t kg_prefill_size(const struct kg_lm_session *session, struct kg_text system)
{
    return lay_out(session->n_past, system.n, cache_bytes_of(session)).size;
}

void kg_prefill_write(const struct kg_lm_session *session, struct kg_text system,
                      const struct kg_prefill_origin *origin, uint8_t *blob)
{
    const struct kg_lm_kv *kv = session->kv;
    const struct layout place = lay_out(session->n_past, system.n, cache_bytes_of(session));
    struct header header = {
        .version = KG_PREFILL_VERSION,
        .size = place.size,
        .n = session->n_past,
        .kv = session->options.kv,
        .vector = kv->vector,
        .n_layer = session->model->n_layer,
        .n_head_kv = kv->heads,
        .head_dim = kv->dim,
        .system_size = (uint32_t)system.n,
        .origin = *origin,
    };
    memcpy(header.magic, magic, sizeof magic);
    memcpy(blob + place.tokens, session->tokens, session->n_past * sizeof *session->tokens);
    memcpy(blob + place.system, system.data, system.n);
    memset(blob + place.system + system.n, 0, place.keys - place.system - system.n);
    size_t head_bytes = (size_t)session->n_past * kv->vector;
    uint8_t *keys = blob + place.keys, *values = blob + place.values;
    for (uint32_t layer = 0; layer < header.n_layer; layer++) {
        for (uint32_t head = 0; head < kv->heads; head++, keys += head_bytes, values += head_bytes) {
            kg_lm_kv_copy(kv, kg_lm_kv_row(kv, false, layer, head), session->n_past, keys);
            kg_lm_kv_copy(kv, kg_lm_kv_row(kv, true, layer, head), session->n_past, values);
        }
    }
    memcpy(blob, &header, sizeof header);
    header.crc32 = kg_crc32_long(blob + CRC_START, place.size - CRC_START);
    memcpy(blob, &header, sizeof header);
}

/* Endpoints of llama.cpp's server: what is counted and set, texts to tokens and back. */
#include "app/server/server.h"

#include "app/events/events.h"
#include "app/server/endpoints.h"
#include "app/server/tools.h"

#include "kgpt/stream.h"
#include "kgpt/utf8.h"

static uint32_t count_running(const struct kg_server *server)
{
    uint32_t n = 0;
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        n += server->choices[slot].job != NULL;
    }
    return n;
}

static uint32_t count_waiting(const struct kg_server *server)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < server->n_jobs; i++) {
        n += server->jobs[i].state == KG_JOB_WAITS;
    }
    return n;
}

static uint32_t count_clients(const struct kg_server *server)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < server->connections->limit; i++) {
        n += server->clients[i].state != KG_CLIENT_FREE;
    }
    return n;
}

/* In the text format of Prometheus. The first four names are llama.cpp's. */
void kg_get_metrics(struct kg_client *client)
{
    static const struct {
        const char *name, *type, *help;
    } metrics[] = {
        {"llamacpp:prompt_tokens_total", "counter", "Tokens of prompts, cached ones included."},
        {"llamacpp:tokens_predicted_total", "counter", "Tokens of replies."},
        {"llamacpp:requests_processing", "gauge", "Slots with a reply."},
        {"llamacpp:requests_deferred", "gauge", "Requests that wait for a slot."},
        {"kgpt_requests_total", "counter", "Complete requests."},
        {"kgpt_refused_total", "counter", "Requests that were refused."},
        {"kgpt_cancelled_total", "counter", "Replies whose client hung up."},
        {"kgpt_passes_total", "counter", "Forward passes."},
        {"kgpt_drafted_total", "counter", "Tokens that were drafted."},
        {"kgpt_accepted_total", "counter", "Drafted tokens that were sampled."},
        {"kgpt_connections", "gauge", "Open connections."},
        {"kgpt_slots", "gauge", "Replies that can be computed at once."},
        {"kgpt_uptime_seconds", "counter", "Since the start."},
    };
    const struct kg_server *s = client->server;
    uint64_t ms = kg_server_ms(s, s->started);
    const uint64_t values[sizeof metrics / sizeof metrics[0]] = {
        s->prompt_tokens, s->tokens,  count_running(s), count_waiting(s), s->requests, s->refused, s->cancelled,
        s->batch.passes,  s->drafted, s->accepted,      count_clients(s), s->batch.n,  ms / 1000,
    };
    struct kg_http_out out = {.data = s->scratch, .size = KG_SERVER_SCRATCH};
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        const char *name = metrics[i].name, *type = metrics[i].type;
        unsigned long parts = i + 1 == sizeof metrics / sizeof metrics[0] ? ms % 1000 : 0;
        kg_http_say(&out, "# HELP %s %s\n# TYPE %s %s\n%s %lu.%03lu\n", name, metrics[i].help, name, type, name,
                    (unsigned long)values[i], parts);
    }
    kg_answer(client, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.n);
}

void kg_get_slots(struct kg_client *client)
{
    const struct kg_server *server = client->server;
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_list_begin(json, NULL);
    for (uint32_t slot = 0; slot < server->batch.n; slot++) {
        const struct kg_choice *choice = &server->choices[slot];
        const struct kg_lm_session *session = &choice->conversation->session;
        kg_json_object_begin(json, NULL);
        kg_json_u64(json, "id", slot);
        kg_json_u64(json, "n_ctx", session->options.n_ctx);
        kg_json_bool(json, "is_processing", choice->job != NULL);
        kg_json_u64(json, "n_past", session->n_past);
        kg_json_u64(json, "n_decoded", choice->job ? choice->conversation->reply.speed.tokens : 0);
        kg_json_object_end(json);
    }
    kg_json_list_end(json);
    kg_answer_json_send(client, 200);
}

void kg_get_props(struct kg_client *client)
{
    const struct kg_server *server = client->server;
    char build[48];
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_object_begin(json, NULL);
    kg_json_object_begin(json, "default_generation_settings");
    kg_json_u64(json, "n_ctx", server->n_ctx);
    kg_json_object_end(json);
    kg_json_u64(json, "total_slots", server->batch.n);
    kg_json_text(json, "model_alias", server->name);
    kg_format(build, sizeof build, "kgpt-%s", kgpt_version);
    kg_json_text(json, "build_info", build);
    kg_json_object_end(json);
    kg_answer_json_send(client, 200);
}

static bool is_whole_text(const char *text, size_t n)
{
    size_t length = 1;
    while (n && (length = kg_utf8_length(text, n)) != 0) {
        text += length;
        n -= length;
    }
    return length != 0;
}

/* A token with its text; one that is a part of a character has its bytes as numbers. */
static void write_piece(struct kg_json *json, const struct kg_server *server, uint32_t id)
{
    size_t n = kg_vocab_piece(&server->loaded->vocab, id, server->piece, true);
    kg_json_object_begin(json, NULL);
    kg_json_u64(json, "id", id);
    if (is_whole_text(server->piece, n)) {
        kg_json_text_n(json, "piece", server->piece, n);
    } else {
        kg_json_list_begin(json, "piece");
        for (size_t i = 0; i < n; i++) {
            kg_json_u64(json, NULL, (unsigned char)server->piece[i]);
        }
        kg_json_list_end(json);
    }
    kg_json_object_end(json);
}

static void answer_tokens(struct kg_client *client, const struct kg_said_tokens *said, bool pieces)
{
    struct kg_json *json = kg_answer_long_begin(client);
    if (!json) {
        return;
    }
    kg_json_object_begin(json, NULL);
    kg_json_list_begin(json, "tokens");
    for (uint32_t i = 0; i < said->n; i++) {
        if (pieces) {
            write_piece(json, client->server, said->tokens[i]);
        } else {
            kg_json_u64(json, NULL, said->tokens[i]);
        }
    }
    kg_json_list_end(json);
    kg_json_object_end(json);
    kg_answer_long_send(client);
}

void kg_post_tokenize(struct kg_client *client)
{
    const struct kg_lm_loaded *loaded = client->server->loaded;
    struct kg_arena *arena = &client->server->k->arena;
    struct kg_text text = {"", 0};
    bool bos = false, special = true, pieces = false;
    struct kg_error error;
    uint32_t root;
    if (!kg_request_json(client, &root) || !kg_field_text(client, root, "content", &text) ||
        !kg_field_bool(client, root, "add_special", &bos) || !kg_field_bool(client, root, "parse_special", &special) ||
        !kg_field_bool(client, root, "with_pieces", &pieces)) {
        return;
    }
    size_t used = arena->used;
    struct kg_said_tokens said = {.room = text.n + 2};
    said.tokens = kg_arena_array(arena, said.room, sizeof *said.tokens);
    const struct kg_fragment fragment = {text.data, text.n, special};
    enum kg_status status = KG_OK;
    if (!said.tokens) {
        status = kg_error_set(&error, KG_E_MEMORY, "the text does not fit the memory");
    } else if (text.n || bos) {
        status = kg_lm_encode(&said, loaded, &fragment, text.n > 0, bos && loaded->vocab.add_bos, arena, &error);
    }
    if (status == KG_OK) {
        answer_tokens(client, &said, pieces);
    } else {
        kg_answer_error(client, status == KG_E_MEMORY ? 503 : 400, "content", "invalid_value", "%s", error.message);
    }
    kg_arena_rewind(arena, used);
}

/* A text that is made of tokens: whole characters, and U+FFFD for broken ones. */
struct spelling {
    const struct kg_server *server;
    struct kg_json *json;
    struct kg_stream stream;
};

static bool begin_spelling(struct spelling *s, struct kg_client *client, const char *key)
{
    s->server = client->server;
    s->json = kg_answer_long_begin(client);
    if (!s->json) {
        return false;
    }
    kg_stream_begin(&s->stream);
    kg_json_object_begin(s->json, NULL);
    kg_json_text(s->json, key, "");
    kg_json_flush(s->json);
    client->server->made.n--; /* the closing quote comes later */
    return true;
}

static void spell_token(struct spelling *s, uint32_t id)
{
    char out[3 * (64 + KG_STREAM_HELD)]; /* kg_stream_room(64) */
    const char *piece = s->server->piece;
    size_t n = kg_vocab_piece(&s->server->loaded->vocab, id, s->server->piece, true);
    for (size_t at = 0; at < n; at += 64) {
        size_t part = n - at < 64 ? n - at : 64;
        kg_json_escaped(s->json, out, kg_stream_feed(&s->stream, piece + at, part, out));
    }
}

static void end_spelling(struct spelling *s)
{
    char out[3 * KG_STREAM_HELD];
    kg_json_escaped(s->json, out, kg_stream_end(&s->stream, out));
    kg_json_raw(s->json, "\"", 1);
    kg_json_object_end(s->json);
}

void kg_post_detokenize(struct kg_client *client)
{
    const struct kg_json_tree *tree = &client->server->json;
    struct spelling spelling;
    uint32_t root;
    if (!kg_request_json(client, &root)) {
        return;
    }
    uint32_t list = kg_field(client, root, "tokens");
    if (kg_json_kind(tree, list) != KG_JSON_LIST) {
        (void)kg_refuse_value(client, "tokens", "tokens must be a list of numbers of tokens");
        return;
    }
    if (!begin_spelling(&spelling, client, "content")) {
        return;
    }
    for (uint32_t i = KG_JSON_NONE; (i = kg_json_next(tree, list, i)) != KG_JSON_NONE;) {
        uint32_t id;
        if (!kg_value_token(client, i, &id)) {
            (void)kg_refuse_value(client, "tokens", "tokens holds what is no number of a token");
            return;
        }
        spell_token(&spelling, id);
    }
    end_spelling(&spelling);
    kg_answer_long_send(client);
}

/* The prompt of a chat, as the text of its tokens. */
void kg_post_apply_template(struct kg_client *client)
{
    struct spelling spelling;
    uint32_t root;
    struct kg_job *job = kg_request_json(client, &root) ? kg_job_new(client, NULL) : NULL;
    if (!job) {
        return;
    }
    if (kg_fields_tools(client, root, job, true) && kg_job_messages(client, kg_field(client, root, "messages"), job) &&
        begin_spelling(&spelling, client, "prompt")) {
        const struct kg_vocab *vocab = &client->server->loaded->vocab;
        /* Without the BOS that /v1/completions adds again. */
        for (uint32_t i = vocab->add_bos && job->tokens[0] == vocab->bos; i < job->n_tokens; i++) {
            spell_token(&spelling, job->tokens[i]);
        }
        end_spelling(&spelling);
        kg_answer_long_send(client);
    }
    kg_job_drop(job);
}

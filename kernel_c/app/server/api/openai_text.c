/* POST /v1/completions: texts that continue a prompt. See server.h and openai.h. */
#include "openai.h"

#include "app/server/endpoints.h"

#define PREFIX "cmpl"
#define MOST_TOKENS 16u  /* of a reply whose request does not say it */
#define MOST_LOGPROBS 5u /* of OpenAI's API */

/* Lists of probabilities: the tokens, their logarithms, those of the likeliest ones, where each begins in the text. */
enum list {
    LIST_TOKENS,
    LIST_LOGPROBS,
    LIST_TOPS,
    LIST_OFFSETS,
    LISTS,
};
static const char *const list_names[LISTS] = {"tokens", "token_logprobs", "top_logprobs", "text_offset"};

static void write_text_token(struct kg_json *json, const char *key, const struct kg_choice *choice, uint32_t id)
{
    char *piece = choice->server->piece;
    kg_json_text_n(json, key, piece, kg_vocab_piece(&choice->conversation->loaded->vocab, id, piece, true));
}

/* The likeliest tokens as an object: text → logarithm. */
static void write_tops(struct kg_json *json, const struct kg_choice *choice, uint32_t record)
{
    const struct kg_logprob *top = choice->tops + (size_t)record * KG_MAX_LOGPROBS;
    char *piece = choice->server->piece;
    kg_json_object_begin(json, NULL);
    for (uint32_t i = 0; i < choice->job->top_logprobs; i++) {
        size_t n = kg_vocab_piece(&choice->conversation->loaded->vocab, top[i].id, piece, true);
        kg_json_raw(json, i ? ",\"" : "\"", i ? 2 : 1);
        kg_json_escaped(json, piece, n);
        kg_json_raw(json, "\":", 2);
        json->comma = false;
        kg_json_decimal(json, NULL, top[i].ln_p);
    }
    kg_json_object_end(json);
}

static void write_list_item(struct kg_json *json, const struct kg_choice *choice, enum list list, uint32_t record)
{
    switch (list) {
    case LIST_TOKENS: write_text_token(json, NULL, choice, choice->records[record].id); return;
    case LIST_LOGPROBS: kg_json_decimal(json, NULL, choice->records[record].logprob); return;
    case LIST_TOPS: write_tops(json, choice, record); return;
    default: kg_json_u64(json, NULL, record ? choice->records[record - 1].text_end : 0); return;
    }
}

/* The whole answer. */

static void begin_text(struct kg_job *job, struct kg_http_out *out)
{
    struct kg_json *json = kg_json_into(job->server, out);
    kg_json_object_begin(json, NULL);
    kg_openai_keys(json, job, PREFIX, "text_completion");
    kg_json_list_begin(json, "choices");
    kg_json_flush(json);
}

static void open_text_choice(const struct kg_choice *choice, struct kg_http_out *out)
{
    kg_http_say(out, "%s{\"index\":%u,\"text\":\"", choice->index ? "," : "", choice->index);
}

/* An item of a list; before the first one the end of what came before, and the list's name. */
static void add_text_record(const struct kg_choice *choice, uint32_t record, struct kg_http_out *out)
{
    enum list list = (enum list)(record / choice->n_records);
    record %= choice->n_records;
    if (record == 0) {
        kg_http_say(out, "%s\"%s\":[", list == LIST_TOKENS ? "\",\"logprobs\":{" : "],", list_names[list]);
    }
    struct kg_json *json = kg_json_into(choice->server, out);
    json->comma = record > 0;
    write_list_item(json, choice, list, record);
    kg_json_flush(json);
}

static void close_text_choice(const struct kg_choice *choice, struct kg_http_out *out)
{
    kg_http_say(out, "%s,\"finish_reason\":\"%s\"}", choice->n_records ? "]}" : "\",\"logprobs\":null",
                kg_choice_reason(choice));
}

static const struct kg_style text_whole = {
    .type = "application/json; charset=utf-8",
    .passes = LISTS,
    .begin = begin_text,
    .open = open_text_choice,
    .text = kg_openai_add_text,
    .record = add_text_record,
    .close = close_text_choice,
    .end = kg_openai_end,
};

/* The stream. */

static void stream_text_part(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                             const char *reason, struct kg_http_out *out)
{
    struct kg_json *json = kg_openai_begin_chunk(choice->job, PREFIX, "text_completion", out);
    kg_json_object_begin(json, NULL);
    kg_json_u64(json, "index", choice->index);
    kg_json_text_n(json, "text", text, n);
    if (record == KG_NO_RECORD) {
        kg_json_null(json, "logprobs");
    } else {
        kg_json_object_begin(json, "logprobs");
        for (uint32_t list = 0; list < LISTS; list++) {
            kg_json_list_begin(json, list_names[list]);
            write_list_item(json, choice, (enum list)list, record);
            kg_json_list_end(json);
        }
        kg_json_object_end(json);
    }
    if (reason) {
        kg_json_text(json, "finish_reason", reason);
    } else {
        kg_json_null(json, "finish_reason");
    }
    kg_json_object_end(json);
    kg_openai_end_chunk(json, choice->job, false);
}

static void stream_text(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                        struct kg_http_out *out)
{
    stream_text_part(choice, text, n, record, NULL, out);
}

static void stream_text_close(const struct kg_choice *choice, struct kg_http_out *out)
{
    stream_text_part(choice, "", 0, KG_NO_RECORD, kg_choice_reason(choice), out);
}

static void stream_text_end(struct kg_job *job, struct kg_http_out *out)
{
    kg_openai_end_stream(job, PREFIX, "text_completion", out);
}

static const struct kg_style text_stream = {
    .type = "text/event-stream; charset=utf-8",
    .stream = true,
    .text = stream_text,
    .close = stream_text_close,
    .end = stream_text_end,
};

static bool read_text_logprobs(struct kg_client *client, uint32_t root, struct kg_job *job)
{
    uint32_t n_vocab = client->server->loaded->vocab.n_vocab;
    job->logprobs = kg_field(client, root, "logprobs") != KG_JSON_NONE;
    if (!kg_field_count(client, root, "logprobs", 0, MOST_LOGPROBS, &job->top_logprobs)) {
        return false;
    }
    job->top_logprobs = job->top_logprobs < n_vocab ? job->top_logprobs : n_vocab;
    return true;
}

void kg_post_text(struct kg_client *client)
{
    uint32_t root, best_of = 1;
    bool stream = false;
    if (!kg_request_json(client, &root) || !kg_openai_check(client, root) || !kg_openai_has_no_tools(client, root)) {
        return;
    }
    struct kg_job *job = kg_job_new(client, &text_whole);
    if (!job) {
        return;
    }
    job->request.max_tokens = MOST_TOKENS;
    if (kg_openai_fields(client, root, job, &stream) && read_text_logprobs(client, root, job) &&
        kg_field_count(client, root, "best_of", job->n, job->n, &best_of) &&
        kg_job_prompts(client, kg_field(client, root, "prompt"), job)) {
        job->style = stream ? &text_stream : &text_whole;
        kg_job_start(job);
    } else {
        kg_job_drop(job);
    }
}

/* POST /v1/chat/completions: see server.h and openai.h. */
#include "openai.h"

#include "app/server/endpoints.h"
#include "app/server/tools.h"

#include "kgpt/mem.h"

#define PREFIX "chatcmpl"
#define CHUNK "chat.completion.chunk"
#define SAY(json, text) kg_json_raw(json, text, sizeof(text) - 1)

/* A token's text, as a string and as bytes, and its probability. */
static void write_token(struct kg_json *json, const struct kg_choice *choice, uint32_t id, float logprob)
{
    char *piece = choice->server->piece;
    size_t n = kg_vocab_piece(&choice->conversation->loaded->vocab, id, piece, true);
    kg_json_text_n(json, "token", piece, n);
    kg_json_decimal(json, "logprob", logprob);
    kg_json_list_begin(json, "bytes");
    for (size_t i = 0; i < n; i++) {
        kg_json_u64(json, NULL, (unsigned char)piece[i]);
    }
    kg_json_list_end(json);
}

static void write_logprobs_record(struct kg_json *json, const struct kg_choice *choice, uint32_t record)
{
    const struct kg_record *r = &choice->records[record];
    const struct kg_logprob *top = choice->tops + (size_t)record * KG_MAX_LOGPROBS;
    kg_json_object_begin(json, NULL);
    write_token(json, choice, r->id, r->logprob);
    kg_json_list_begin(json, "top_logprobs");
    for (uint32_t i = 0; i < choice->job->top_logprobs; i++) {
        kg_json_object_begin(json, NULL);
        write_token(json, choice, top[i].id, top[i].ln_p);
        kg_json_object_end(json);
    }
    kg_json_list_end(json);
    kg_json_object_end(json);
}

/* The whole answer. */

static void begin_chat(struct kg_job *job, struct kg_http_out *out)
{
    struct kg_json *json = kg_json_into(job->server, out);
    kg_json_object_begin(json, NULL);
    kg_openai_keys(json, job, PREFIX, "chat.completion");
    kg_json_list_begin(json, "choices");
    kg_json_flush(json);
}

static void open_chat_choice(const struct kg_choice *choice, struct kg_http_out *out)
{
    kg_http_say(out, "%s{\"index\":%u,\"message\":{\"role\":\"assistant\",\"content\":%s", choice->index ? "," : "",
                choice->index, choice->bare ? "null" : "\"");
}

/* The id of a call: of the request, the choice, and the call. */
static void say_call_id(const struct kg_choice *choice, struct kg_http_out *out)
{
    kg_http_say(out, "\"id\":\"call_%lu_%u_%u\",\"type\":\"function\",", (unsigned long)choice->job->number,
                choice->index, choice->n_calls);
}

static void add_chat_call(const struct kg_choice *choice, const struct kg_part *part, struct kg_http_out *out)
{
    if (part->kind == KG_PART_CALL) {
        kg_http_say(out, "%s{", choice->n_calls ? "," : choice->bare ? ",\"tool_calls\":[" : "\",\"tool_calls\":[");
        say_call_id(choice, out);
        kg_http_say(out, "\"function\":{\"name\":\"");
        kg_http_put(out, part->text, part->n);
        kg_http_say(out, "\",\"arguments\":\"");
    } else if (part->kind == KG_PART_ARGUMENTS) {
        kg_openai_add_text(choice, part->text, part->n, KG_NO_RECORD, out);
    } else {
        kg_http_say(out, "\"}}");
    }
}

static void add_chat_record(const struct kg_choice *choice, uint32_t record, struct kg_http_out *out)
{
    struct kg_json *json = kg_json_into(choice->server, out);
    if (record) {
        SAY(json, ",");
    } else {
        SAY(json, "\",\"refusal\":null},\"logprobs\":{\"content\":[");
    }
    write_logprobs_record(json, choice, record);
    kg_json_flush(json);
}

static void close_chat_choice(const struct kg_choice *choice, struct kg_http_out *out)
{
    const char *end = choice->n_calls         ? "],\"refusal\":null},\"logprobs\":null"
                      : choice->n_records     ? "]}"
                      : choice->job->logprobs ? "\",\"refusal\":null},\"logprobs\":{\"content\":[]}"
                                              : "\",\"refusal\":null},\"logprobs\":null";
    kg_http_say(out, "%s,\"finish_reason\":\"%s\"}", end, kg_choice_reason(choice));
}

static const struct kg_style chat_whole = {
    .type = "application/json; charset=utf-8",
    .begin = begin_chat,
    .open = open_chat_choice,
    .text = kg_openai_add_text,
    .record = add_chat_record,
    .call = add_chat_call,
    .close = close_chat_choice,
    .end = kg_openai_end,
};

/* The stream: each chunk is an event. */

static struct kg_json *begin_chunk(const struct kg_choice *choice, struct kg_http_out *out)
{
    return kg_openai_begin_chunk(choice->job, PREFIX, CHUNK, out);
}

static void begin_delta(struct kg_json *json, const struct kg_choice *choice)
{
    kg_json_object_begin(json, NULL);
    kg_json_u64(json, "index", choice->index);
    kg_json_object_begin(json, "delta");
}

/* Behind the delta. */
static void end_delta(struct kg_json *json, const struct kg_choice *choice, uint32_t record, const char *reason)
{
    kg_json_object_end(json);
    if (record == KG_NO_RECORD) {
        kg_json_null(json, "logprobs");
    } else {
        kg_json_object_begin(json, "logprobs");
        kg_json_list_begin(json, "content");
        write_logprobs_record(json, choice, record);
        kg_json_list_end(json);
        kg_json_object_end(json);
    }
    if (reason) {
        kg_json_text(json, "finish_reason", reason);
    } else {
        kg_json_null(json, "finish_reason");
    }
    kg_json_object_end(json);
}

static void stream_chat_opening(const struct kg_choice *choice, struct kg_http_out *out)
{
    struct kg_json *json = begin_chunk(choice, out);
    begin_delta(json, choice);
    kg_json_text(json, "role", "assistant");
    kg_json_text(json, "content", "");
    end_delta(json, choice, KG_NO_RECORD, NULL);
    kg_openai_end_chunk(json, choice->job, false);
}

static void stream_chat_text(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                             struct kg_http_out *out)
{
    struct kg_json *json = begin_chunk(choice, out);
    begin_delta(json, choice);
    kg_json_text_n(json, "content", text, n);
    end_delta(json, choice, record, NULL);
    kg_openai_end_chunk(json, choice->job, false);
}

/* A chunk has the name of a call, or a part of its arguments. */
static void stream_chat_call(const struct kg_choice *choice, const struct kg_part *part, struct kg_http_out *out)
{
    if (part->kind == KG_PART_CALL_END) {
        return;
    }
    struct kg_json *json = begin_chunk(choice, out);
    begin_delta(json, choice);
    kg_json_list_begin(json, "tool_calls");
    kg_json_object_begin(json, NULL);
    kg_json_u64(json, "index", choice->n_calls);
    if (part->kind == KG_PART_CALL) {
        kg_json_raw(json, ",", 1);
        kg_json_flush(json);
        say_call_id(choice, out);
        json->comma = false;
    }
    kg_json_object_begin(json, "function");
    if (part->kind == KG_PART_CALL) {
        SAY(json, "\"name\":\"");
        kg_json_raw(json, part->text, part->n); /* with its escapes */
        SAY(json, "\",\"arguments\":\"\"");
    } else {
        kg_json_text_n(json, "arguments", part->text, part->n);
    }
    kg_json_object_end(json);
    kg_json_object_end(json);
    kg_json_list_end(json);
    end_delta(json, choice, KG_NO_RECORD, NULL);
    kg_openai_end_chunk(json, choice->job, false);
}

static void stream_chat_close(const struct kg_choice *choice, struct kg_http_out *out)
{
    struct kg_json *json = begin_chunk(choice, out);
    begin_delta(json, choice);
    end_delta(json, choice, KG_NO_RECORD, kg_choice_reason(choice));
    kg_openai_end_chunk(json, choice->job, false);
}

static void stream_chat_end(struct kg_job *job, struct kg_http_out *out)
{
    kg_openai_end_stream(job, PREFIX, CHUNK, out);
}

static const struct kg_style chat_stream = {
    .type = "text/event-stream; charset=utf-8",
    .stream = true,
    .open = stream_chat_opening,
    .text = stream_chat_text,
    .call = stream_chat_call,
    .close = stream_chat_close,
    .end = stream_chat_end,
};

static bool read_chat_logprobs(struct kg_client *client, uint32_t root, struct kg_job *job)
{
    if (!kg_field_bool(client, root, "logprobs", &job->logprobs) ||
        !kg_field_count(client, root, "top_logprobs", 0, KG_MAX_LOGPROBS, &job->top_logprobs)) {
        return false;
    }
    if (job->top_logprobs && !job->logprobs) {
        return kg_refuse_value(client, "top_logprobs", "top_logprobs needs logprobs: true");
    }
    uint32_t n_vocab = client->server->loaded->vocab.n_vocab;
    job->top_logprobs = job->top_logprobs < n_vocab ? job->top_logprobs : n_vocab;
    return true;
}

/* "none" asks for a reply without thoughts; other efforts are the template's own. */
static bool read_effort(struct kg_client *client, uint32_t root, struct kg_job *job)
{
    struct kg_text effort = {"", 0};
    if (!kg_field_text(client, root, "reasoning_effort", &effort)) {
        return false;
    }
    job->request.plain = job->request.plain || kg_text_is(effort, "none");
    return true;
}

void kg_post_chat(struct kg_client *client)
{
    uint32_t root;
    bool stream = false;
    if (!kg_request_json(client, &root) || !kg_openai_check(client, root)) {
        return;
    }
    struct kg_job *job = kg_job_new(client, &chat_whole);
    if (!job) {
        return;
    }
    if (read_effort(client, root, job) && kg_openai_fields(client, root, job, &stream) &&
        read_chat_logprobs(client, root, job) && kg_fields_tools(client, root, job, true) &&
        kg_job_messages(client, kg_field(client, root, "messages"), job)) {
        job->style = stream ? &chat_stream : &chat_whole;
        kg_job_start(job);
    } else {
        kg_job_drop(job);
    }
}

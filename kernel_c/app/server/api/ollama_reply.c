/* POST /api/chat and /api/generate: see ollama.h. A stream has an object on each line. */
#include "ollama.h"
#include "openai.h"

#include "app/server/endpoints.h"
#include "app/server/tools.h"

#define US 1000u /* nanoseconds */

/* The two endpoints differ in the place of the text. */
static bool is_chat(const struct kg_job *job)
{
    return job->kind == KG_JOB_CHAT;
}

static struct kg_json *begin_ollama_line(const struct kg_job *job, struct kg_http_out *out)
{
    struct kg_json *json = kg_json_into(job->server, out);
    char text[KG_OLLAMA_NAME];
    kg_json_object_begin(json, NULL);
    kg_ollama_name(job->server, text);
    kg_json_text(json, "model", text);
    kg_ollama_time(job->created, text);
    kg_json_text(json, "created_at", text);
    return json;
}

static void write_said(struct kg_json *json, const struct kg_job *job, const char *text, size_t n)
{
    if (is_chat(job)) {
        kg_json_object_begin(json, "message");
        kg_json_text(json, "role", "assistant");
        kg_json_text_n(json, "content", text, n);
        kg_json_object_end(json);
    } else {
        kg_json_text_n(json, "response", text, n);
    }
}

static void end_ollama_line(struct kg_json *json)
{
    kg_json_object_end(json);
    kg_json_raw(json, "\n", 1);
    kg_json_flush(json);
}

/* What the last object tells besides its text. */
static void write_done(struct kg_json *json, const struct kg_choice *choice)
{
    const struct kg_job *job = choice->job;
    const struct kg_speed *speed = &choice->conversation->reply.speed;
    uint64_t us = kg_ticks_to_us(plat_ticks() - job->asked_at, plat_ticks_hz());
    kg_json_bool(json, "done", true);
    kg_json_text(json, "done_reason", choice->n_calls ? "stop" : kg_choice_reason(choice));
    kg_json_u64(json, "total_duration", us * US);
    kg_json_u64(json, "load_duration", 0);
    kg_json_u64(json, "prompt_eval_count", job->n_tokens);
    kg_json_u64(json, "prompt_eval_duration", speed->prompt_us * US);
    kg_json_u64(json, "eval_count", speed->tokens);
    kg_json_u64(json, "eval_duration", speed->decode_us * US);
}

static void stream_line(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                        struct kg_http_out *out)
{
    (void)record;
    struct kg_json *json = begin_ollama_line(choice->job, out);
    write_said(json, choice->job, text, n);
    kg_json_bool(json, "done", false);
    end_ollama_line(json);
}

/* JSON without line ends: in JSON of one line they stand only between values. */
static void put_json_line(const char *text, size_t n, struct kg_http_out *out)
{
    for (size_t i = 0; i < n; i++) {
        kg_http_put(out, text[i] == '\n' || text[i] == '\r' ? " " : text + i, 1);
    }
}

/* A call in a list of calls: its name, arguments as an object, its end. */
static void put_call(const struct kg_part *part, struct kg_http_out *out)
{
    if (part->kind == KG_PART_CALL) {
        kg_http_say(out, "{\"function\":{\"name\":\"");
        kg_http_put(out, part->text, part->n);
        kg_http_say(out, "\",\"arguments\":");
    } else if (part->kind == KG_PART_ARGUMENTS) {
        put_json_line(part->text, part->n, out);
    } else {
        kg_http_say(out, "}}");
    }
}

/* Each call has a line, which is printed in parts. */
static void stream_call(const struct kg_choice *choice, const struct kg_part *part, struct kg_http_out *out)
{
    if (part->kind == KG_PART_CALL) {
        struct kg_json *json = begin_ollama_line(choice->job, out);
        kg_json_flush(json);
        kg_http_say(out, ",\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[");
    }
    put_call(part, out);
    if (part->kind == KG_PART_CALL_END) {
        kg_http_say(out, "]},\"done\":false}\n");
    }
}

static void stream_done(const struct kg_choice *choice, struct kg_http_out *out)
{
    struct kg_json *json = begin_ollama_line(choice->job, out);
    write_said(json, choice->job, "", 0);
    write_done(json, choice);
    end_ollama_line(json);
}

static void end_nothing(struct kg_job *job, struct kg_http_out *out)
{
    (void)job;
    (void)out;
}

static const struct kg_style ollama_stream = {
    .type = "application/x-ndjson",
    .stream = true,
    .text = stream_line,
    .call = stream_call,
    .close = stream_done,
    .end = end_nothing,
};

/* The whole answer in one object: its text is printed in parts. */

static void open_whole(const struct kg_choice *choice, struct kg_http_out *out)
{
    struct kg_json *json = begin_ollama_line(choice->job, out);
    kg_json_flush(json);
    kg_http_say(out, is_chat(choice->job) ? ",\"message\":{\"role\":\"assistant\",\"content\":\"" : ",\"response\":\"");
}

static void add_whole_call(const struct kg_choice *choice, const struct kg_part *part, struct kg_http_out *out)
{
    if (part->kind == KG_PART_CALL) {
        kg_http_say(out, choice->n_calls ? "," : "\",\"tool_calls\":[");
    }
    put_call(part, out);
}

static void close_whole(const struct kg_choice *choice, struct kg_http_out *out)
{
    kg_http_say(out, choice->n_calls ? "]}" : is_chat(choice->job) ? "\"}" : "\"");
    struct kg_json *json = kg_json_into(choice->server, out);
    json->comma = true;
    write_done(json, choice);
    kg_json_object_end(json);
    kg_json_flush(json);
}

static const struct kg_style ollama_whole = {
    .type = "application/json; charset=utf-8",
    .open = open_whole,
    .text = kg_openai_add_text,
    .call = add_whole_call,
    .close = close_whole,
    .end = end_nothing,
};

/* A request without a message or a prompt only asks for the model to be loaded, and it is. */
static void answer_loaded(struct kg_client *client, struct kg_job *job)
{
    char text[KG_OLLAMA_NAME];
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_object_begin(json, NULL);
    kg_ollama_name(client->server, text);
    kg_json_text(json, "model", text);
    kg_ollama_time(job->created, text);
    kg_json_text(json, "created_at", text);
    write_said(json, job, "", 0);
    kg_json_bool(json, "done", true);
    kg_json_text(json, "done_reason", "load");
    kg_json_object_end(json);
    kg_answer_json_send(client, 200);
}

/* Fields that would change the answer and are not supported; null, false and empty values are harmless. */
static bool refuse_unknown_wishes(struct kg_client *client, uint32_t root, const struct kg_job *job)
{
    static const struct kg_off_field fields[] = {
        {"images", NULL, "", KG_NEVER_OFF},   {"suffix", NULL, "", KG_NEVER_OFF}, {"template", NULL, "", KG_NEVER_OFF},
        {"logprobs", NULL, "", KG_NEVER_OFF}, {"tools", NULL, "", KG_NEVER_OFF},
    };
    return kg_fields_off(client, root, fields, sizeof fields / sizeof fields[0] - is_chat(job)); /* a chat has tools */
}

static bool read_ollama_fields(struct kg_client *client, uint32_t root, struct kg_job *job, bool *stream)
{
    uint32_t options = kg_field(client, root, "options"), think = kg_field(client, root, "think");
    bool thinks = !job->request.plain;
    bool level = think != KG_JSON_NONE && client->server->json.values[think].kind == KG_JSON_STRING; /* "low", … */
    if (!level && !kg_field_bool(client, root, "think", &thinks)) {
        return false;
    }
    job->request.plain = !level && !thinks;
    return kg_field_bool(client, root, "stream", stream) && refuse_unknown_wishes(client, root, job) &&
           kg_field_predict(client, options, "num_predict", job) && kg_fields_sampling(client, options, job) &&
           kg_field_format(client, root, job);
}

/* The prompt of /api/generate: a message in the chat template, or with `raw` and without a template a text. */
static bool read_prompt(struct kg_client *client, uint32_t root, struct kg_job *job, bool *empty)
{
    struct kg_text prompt = {"", 0}, system = {NULL, 0};
    bool raw = !client->server->loaded->has_chat;
    if (!kg_field_text(client, root, "prompt", &prompt) || !kg_field_text(client, root, "system", &system) ||
        !kg_field_bool(client, root, "raw", &raw)) {
        return false;
    }
    *empty = !prompt.n;
    if (*empty) {
        return true;
    }
    return raw || !client->server->loaded->has_chat ? kg_job_text(client, prompt, job)
                                                    : kg_job_message(client, system, prompt, job);
}

static bool read_chat(struct kg_client *client, uint32_t root, struct kg_job *job, bool *empty)
{
    uint32_t messages = kg_field(client, root, "messages");
    const struct kg_json_tree *json = &client->server->json;
    *empty = messages == KG_JSON_NONE ||
             (kg_json_kind(json, messages) == KG_JSON_LIST && kg_json_first(json, messages) == KG_JSON_NONE);
    return *empty || (kg_fields_tools(client, root, job, false) && kg_job_messages(client, messages, job));
}

static void begin_ollama_reply(struct kg_client *client, enum kg_job_kind kind,
                               bool (*read)(struct kg_client *client, uint32_t root, struct kg_job *job, bool *empty))
{
    uint32_t root;
    bool stream = true, empty = false;
    if (!kg_request_json(client, &root) || !kg_ollama_check(client, root, "model")) {
        return;
    }
    struct kg_job *job = kg_job_new(client, &ollama_whole);
    if (!job) {
        return;
    }
    job->kind = kind;
    bool good = read_ollama_fields(client, root, job, &stream) && read(client, root, job, &empty);
    if (!good || empty) {
        if (good) {
            answer_loaded(client, job);
        }
        kg_job_drop(job);
        return;
    }
    job->style = stream ? &ollama_stream : &ollama_whole;
    kg_job_start(job);
}

void kg_post_ollama_chat(struct kg_client *client)
{
    begin_ollama_reply(client, KG_JOB_CHAT, read_chat);
}

void kg_post_ollama_generate(struct kg_client *client)
{
    begin_ollama_reply(client, KG_JOB_TEXT, read_prompt);
}

/* Answers that are known at once: see server.h. */
#include "app/server/server.h"

#include "app/events/events.h"

#include "kgpt/mem.h"

static bool is_head_request(const struct kg_client *client)
{
    return client->head.method.data && kg_http_same(client->head.method, "head");
}

void kg_answer_head(struct kg_client *client, uint32_t status, const char *type, size_t size)
{
    struct kg_http_out *out = &client->out;
    bool chunked = size == SIZE_MAX && client->head.minor == 1;
    client->closes = client->closes || !client->head.keeps || (size == SIZE_MAX && !chunked);
    kg_http_say(out, "HTTP/1.1 %u %s\r\nServer: kgpt/%s\r\n", status, kg_http_reason(status), kgpt_version);
    if (type) {
        kg_http_say(out, "Content-Type: %s\r\n", type);
    }
    if (chunked) {
        kg_http_say(out, "Transfer-Encoding: chunked\r\n");
    } else if (size != SIZE_MAX && status != 204) {
        kg_http_say(out, "Content-Length: %zu\r\n", size);
    }
    kg_http_say(out, "Access-Control-Allow-Origin: *\r\nConnection: %s\r\n", client->closes ? "close" : "keep-alive");
}

void kg_answer(struct kg_client *client, uint32_t status, const char *type, const char *body, size_t n)
{
    kg_answer_head(client, status, type, n);
    kg_http_put(&client->out, "\r\n", 2);
    if (!is_head_request(client)) {
        kg_http_put(&client->out, body, n);
    }
}

void kg_answer_from(struct kg_client *client, const char *type, struct kg_text body)
{
    kg_answer_head(client, 200, type, body.n);
    kg_http_put(&client->out, "\r\n", 2);
    client->rest = is_head_request(client) ? (struct kg_text){NULL, 0} : body;
}

struct kg_json *kg_answer_json_begin(struct kg_client *client)
{
    return kg_json_make(client->server, client->server->scratch, KG_SERVER_SCRATCH);
}

/* Lines of the head that belong to a status. */
static void add_status_lines(struct kg_client *client, uint32_t status)
{
    if (status == 401) {
        kg_http_say(&client->out, "WWW-Authenticate: Bearer\r\n");
    } else if (status == 405) {
        kg_http_say(&client->out, "Allow: %s\r\n", client->allow);
    } else if (status == 503 || status == 429) {
        kg_http_say(&client->out, "Retry-After: 1\r\n");
    }
}

void kg_answer_json_send(struct kg_client *client, uint32_t status)
{
    const struct kg_http_out *made = &client->server->made;
    kg_json_flush(&client->server->writer.json);
    kg_answer_head(client, status, "application/json; charset=utf-8", made->n);
    add_status_lines(client, status);
    kg_http_put(&client->out, "\r\n", 2);
    if (!is_head_request(client)) {
        kg_http_put(&client->out, made->data, made->n);
    }
}

static const char *error_type(uint32_t status)
{
    return status == 401   ? "authentication_error"
           : status == 404 ? "not_found_error"
           : status == 429 ? "rate_limit_error"
           : status == 503 ? "overloaded_error"
           : status >= 500 ? "server_error"
                           : "invalid_request_error";
}

static void write_text_or_null(struct kg_json *json, const char *key, const char *text)
{
    if (text) {
        kg_json_text(json, key, text);
    } else {
        kg_json_null(json, key);
    }
}

static bool is_ollama(const struct kg_client *client)
{
    static const char prefix[] = "/api/";
    const struct kg_text path = client->head.path;
    return client->head.method.data && path.n >= sizeof prefix - 1 && memcmp(path.data, prefix, sizeof prefix - 1) == 0;
}

static void answer_error(struct kg_client *client, uint32_t status, const char *param, const char *code,
                         const char *format, va_list arguments)
{
    char message[512];
    kg_vformat(message, sizeof message, format, arguments);
    client->server->refused++;
    if (client->inner) {
        client->inner->refused(client, status, message);
        return;
    }
    struct kg_json *json = kg_answer_json_begin(client);
    kg_json_object_begin(json, NULL);
    if (is_ollama(client)) { /* its errors are texts */
        kg_json_text(json, "error", message);
        kg_json_object_end(json);
        kg_answer_json_send(client, status);
        return;
    }
    kg_json_object_begin(json, "error");
    kg_json_text(json, "message", message);
    kg_json_text(json, "type", error_type(status));
    write_text_or_null(json, "param", param);
    write_text_or_null(json, "code", code);
    kg_json_object_end(json);
    kg_json_object_end(json);
    kg_answer_json_send(client, status);
}

void kg_answer_error(struct kg_client *client, uint32_t status, const char *param, const char *code, const char *format,
                     ...)
{
    va_list arguments;
    va_start(arguments, format);
    answer_error(client, status, param, code, format, arguments);
    va_end(arguments);
}

void kg_answer_value(struct kg_client *client, const char *param, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    answer_error(client, 400, param, "invalid_value", format, arguments);
    va_end(arguments);
}

void kg_answer_unsupported(struct kg_client *client, const char *name)
{
    kg_answer_error(client, 400, name, "unsupported_parameter", "%s is not supported by this server", name);
}

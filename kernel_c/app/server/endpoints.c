/* A complete request gets to its endpoint: see endpoints.h. */
#include "endpoints.h"

#include "kgpt/format.h"
#include "kgpt/mem.h"

static const struct kg_endpoint endpoints[] = {
#define KG_ENDPOINT(method, path, function, needs) {method, path, function, needs},
#include "endpoints.def"
};
#define N_ENDPOINTS (sizeof endpoints / sizeof endpoints[0])

static bool path_matches(const struct kg_endpoint *endpoint, struct kg_text path)
{
    size_t n = kg_strlen(endpoint->path);
    bool open = n > 1 && endpoint->path[n - 1] == '/';
    return (open ? path.n > n : path.n == n) && memcmp(path.data, endpoint->path, n) == 0;
}

static bool method_matches(const struct kg_endpoint *endpoint, struct kg_text method)
{
    const char *name = endpoint->method;
    bool head = kg_streq(name, "GET") && kg_text_is(method, "HEAD");
    return head || kg_text_is(method, name);
}

/* The methods of a path, as the field Allow lists them. Returns the number of bytes; 0: there is no such path. */
static size_t list_methods(struct kg_text path, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        if (path_matches(&endpoints[i], path)) {
            const char *name = endpoints[i].method;
            n += kg_format(out + n, size - n, "%s%s", name, kg_streq(name, "GET") ? ", HEAD, " : ", ");
        }
    }
    return n ? n + kg_format(out + n, size - n, "OPTIONS") : 0;
}

/* A preflight of a browser, and what OPTIONS says otherwise. */
static void answer_options(struct kg_client *client, const char *methods)
{
    struct kg_text asked = kg_http_field(&client->head, "access-control-request-headers");
    kg_answer_head(client, 204, NULL, 0);
    kg_http_say(&client->out, "Allow: %s\r\nAccess-Control-Allow-Methods: %s\r\n", methods, methods);
    if (asked.n) {
        kg_http_say(&client->out, "Access-Control-Allow-Headers: %.*s\r\n", (int)asked.n, asked.data);
    }
    kg_http_say(&client->out, "Access-Control-Max-Age: 86400\r\n\r\n");
}

/* The time does not tell how much of the key is right. */
static bool is_same_secret(struct kg_text said, const char *key)
{
    size_t n = kg_strlen(key);
    unsigned different = said.n != n;
    for (size_t i = 0; i < said.n; i++) {
        different |= (unsigned char)said.data[i] ^ (unsigned char)key[n ? i % n : 0];
    }
    return !different;
}

static bool brings_key(const struct kg_client *client)
{
    static const char scheme[] = "bearer ";
    struct kg_text said = kg_http_field(&client->head, "authorization");
    size_t n = sizeof scheme - 1;
    if (!client->server->key) {
        return true;
    }
    return said.n >= n && kg_http_same((struct kg_text){said.data, n}, scheme) &&
           is_same_secret((struct kg_text){said.data + n, said.n - n}, client->server->key);
}

/* True for JSON, and where no type is named. */
static bool body_may_be_json(const struct kg_client *client)
{
    struct kg_text type = kg_http_field(&client->head, "content-type");
    size_t n = 0;
    while (n < type.n && type.data[n] != ';' && type.data[n] != ' ') {
        n++;
    }
    return !type.data || kg_http_same((struct kg_text){type.data, n}, "application/json");
}

static void call_endpoint(struct kg_client *client, const struct kg_endpoint *endpoint)
{
    if ((endpoint->needs & KG_NEEDS_KEY) && !brings_key(client)) {
        kg_answer_error(client, 401, NULL, "invalid_api_key",
                        "the API key is missing or wrong: send Authorization: "
                        "Bearer KEY");
    } else if ((endpoint->needs & KG_NEEDS_JSON) && !body_may_be_json(client)) {
        kg_answer_error(client, 415, NULL, NULL, "the body must be JSON: send Content-Type: application/json");
    } else {
        endpoint->call(client);
    }
}

void kg_endpoint_call(struct kg_client *client)
{
    const struct kg_http_head *head = &client->head;
    char methods[128];
    bool star = head->path.n == 1 && head->path.data[0] == '*';
    size_t n = star ? kg_format(methods, sizeof methods, "GET, HEAD, POST, OPTIONS")
                    : list_methods(head->path, methods, sizeof methods);
    client->server->requests++;
    if (!n) {
        int shown = head->path.n < 128 ? (int)head->path.n : 128;
        kg_answer_error(client, 404, NULL, "unknown_url", "there is no %.*s here", shown, head->path.data);
        return;
    }
    if (kg_http_same(head->method, "options")) {
        answer_options(client, methods);
        return;
    }
    for (size_t i = 0; i < N_ENDPOINTS; i++) {
        if (path_matches(&endpoints[i], head->path) && method_matches(&endpoints[i], head->method)) {
            call_endpoint(client, &endpoints[i]);
            return;
        }
    }
    client->allow = methods;
    kg_answer_error(client, 405, NULL, NULL, "this path takes %s", methods);
}

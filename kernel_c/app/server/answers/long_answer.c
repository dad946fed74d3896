/* Long answers: see server.h. A buffer is taken while a client's answer lies in it. */
#include "app/server/server.h"

static bool lies_in(const struct kg_client *client, const char *buffer)
{
    const char *at = client->rest.data;
    return client->state != KG_CLIENT_FREE && client->rest.n && at >= buffer && at < buffer + KG_SERVER_LONG;
}

static bool is_taken(const struct kg_server *server, const char *buffer)
{
    for (uint32_t i = 0; i < server->connections->limit; i++) {
        if (lies_in(&server->clients[i], buffer)) {
            return true;
        }
    }
    return false;
}

struct kg_json *kg_answer_long_begin(struct kg_client *client)
{
    struct kg_server *server = client->server;
    for (uint32_t i = 0; i < KG_SERVER_LONGS; i++) {
        if (!is_taken(server, server->longs[i])) {
            return kg_json_make(server, server->longs[i], KG_SERVER_LONG);
        }
    }
    kg_answer_error(client, 503, NULL, NULL, "long answers are being sent to others: try again later");
    return NULL;
}

void kg_answer_long_send(struct kg_client *client)
{
    const struct kg_http_out *made = &client->server->made;
    kg_json_flush(&client->server->writer.json);
    if (made->full) {
        kg_answer_error(client, 400, NULL, "answer_too_long", "the answer would be longer than %u bytes: ask for less",
                        KG_SERVER_LONG);
        return;
    }
    kg_answer_from(client, "application/json; charset=utf-8", (struct kg_text){made->data, made->n});
}

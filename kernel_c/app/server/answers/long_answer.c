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

bool kg_answer_long_begin(struct kg_client *client, struct kg_json_out *json, struct kg_http_out *out)
{
    const struct kg_server *server = client->server;
    for (uint32_t i = 0; i < KG_SERVER_LONGS; i++) {
        if (!is_taken(server, server->longs[i])) {
            *out = (struct kg_http_out){.data = server->longs[i], .size = KG_SERVER_LONG};
            kg_json_out_begin(json, out);
            return true;
        }
    }
    kg_answer_error(client, 503, NULL, NULL, "long answers are being sent to others: try again later");
    return false;
}

void kg_answer_long_send(struct kg_client *client, struct kg_json_out *json)
{
    kg_json_out_end(json);
    if (json->out->full) {
        kg_answer_error(client, 400, NULL, "answer_too_long", "the answer would be longer than %u bytes: ask for less",
                        KG_SERVER_LONG);
        return;
    }
    kg_answer_from(client, "application/json; charset=utf-8", (struct kg_text){json->out->data, json->out->n});
}

/* JSON that is written into a client's buffer: see server.h. */
#include "app/server/server.h"

static void pass_to_buffer(struct kg_json *json)
{
    struct kg_json_out *out = (struct kg_json_out *)json; /* its first member */
    kg_http_put(out->out, json->chunk, json->n);
}

void kg_json_out_begin(struct kg_json_out *json, struct kg_http_out *out)
{
    json->json.pass = pass_to_buffer;
    json->json.n = 0;
    json->json.comma = false;
    json->out = out;
}

void kg_json_out_end(struct kg_json_out *json)
{
    kg_json_flush(&json->json);
}

/* JSON that is written into a client's buffer, or into one of the server's: see server.h. */
#include "app/server/server.h"

static void pass_to_buffer(struct kg_json *json)
{
    struct kg_server_writer *writer = (struct kg_server_writer *)json; /* its first member */
    kg_http_put(writer->out, json->chunk, json->n);
}

struct kg_json *kg_json_into(struct kg_server *server, struct kg_http_out *out)
{
    struct kg_json *json = &server->writer.json;
    server->writer.out = out;
    json->pass = pass_to_buffer;
    json->n = 0;
    json->comma = false;
    return json;
}

struct kg_json *kg_json_make(struct kg_server *server, char *data, size_t size)
{
    server->made = (struct kg_http_out){.data = data, .size = size};
    return kg_json_into(server, &server->made);
}

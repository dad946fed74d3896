/* Connections of clients: bytes become requests, and answers are sent. See server.h. */
#include "server.h"

#include "kgpt/mem.h"

#define IDLE_TIMES 6u       /* `timeout` times this for a connection between two requests, and for a whole body */
#define FRESH_MS 1000u      /* a client that has said nothing yet for so long is not idle: its request is on the way */
#define LINGER_MS 1000u     /* for the client to close, after the last answer */
#define LINGER_BYTES 4096u  /* dropped in one call */
#define REQUESTS_AT_ONCE 16 /* of one client, pipelined, before others get their turn */

static void set_client_state(struct kg_client *client, enum kg_client_state state)
{
    client->state = state;
    client->since = client->moved = plat_ticks();
}

static void free_large_body(struct kg_client *client)
{
    if (client->large < KG_SERVER_LARGE) {
        client->server->large_taken[client->large] = false;
    }
    client->large = KG_SERVER_LARGE;
}

static void forget_client(struct kg_client *client)
{
    if (client->job) {
        kg_job_leave(client->job);
        client->job = NULL;
    }
    free_large_body(client);
    client->state = KG_CLIENT_FREE;
}

static void drop_client(struct kg_client *client)
{
    const struct kg_connections *connections = client->server->connections;
    forget_client(client);
    connections->reset(connections->context, client->connection);
}

static void close_client(struct kg_client *client)
{
    const struct kg_connections *connections = client->server->connections;
    forget_client(client);
    connections->close(connections->context, client->connection);
}

static enum kg_connection_state state_of(const struct kg_client *client)
{
    const struct kg_connections *connections = client->server->connections;
    return connections->state(connections->context, client->connection);
}

static size_t read_client(struct kg_client *client, char *to, size_t room)
{
    const struct kg_connections *connections = client->server->connections;
    size_t n = room ? connections->read(connections->context, client->connection, to, room) : 0;
    if (n) {
        client->asked = true;
        client->moved = plat_ticks();
    }
    return n;
}

/* Sends what is ready. True if nothing is left. */
static bool send_ready(struct kg_client *client)
{
    const struct kg_connections *connections = client->server->connections;
    struct kg_http_out *out = &client->out;
    size_t n;
    while (client->sent < out->n) {
        n = connections->write(connections->context, client->connection, out->data + client->sent,
                               out->n - client->sent);
        if (!n) {
            return false;
        }
        client->sent += n;
        client->moved = plat_ticks();
    }
    out->n = client->sent = 0;
    while (client->rest.n) {
        n = connections->write(connections->context, client->connection, client->rest.data, client->rest.n);
        if (!n) {
            return false;
        }
        client->rest = (struct kg_text){client->rest.data + n, client->rest.n - n};
        client->moved = plat_ticks();
    }
    return true;
}

/* Refuses a request whose end is not known: the connection ends with the answer. */
static void refuse_request(struct kg_client *client, uint32_t status, const char *why)
{
    client->closes = client->lingers = true;
    if (status != 413 && status != 503) { /* the head may be incomplete */
        client->head.method.data = NULL;
        client->head.minor = 1;
    }
    kg_answer_error(client, status, NULL, NULL, "%s", why);
    set_client_state(client, KG_CLIENT_ANSWERS);
}

static bool take_large_body(struct kg_client *client)
{
    struct kg_server *server = client->server;
    for (uint32_t i = 0; i < KG_SERVER_LARGE; i++) {
        if (!server->large_taken[i]) {
            server->large_taken[i] = true;
            client->large = i;
            client->body = server->large[i];
            return true;
        }
    }
    refuse_request(client, 503, "too many large requests arrive at once: try again later");
    return false;
}

/* The head is complete: where the body goes. */
static void begin_body(struct kg_client *client)
{
    const struct kg_http_head *head = &client->head;
    const struct kg_server *server = client->server;
    bool large = head->chunked || head->content_size > KG_SERVER_IN - head->n;
    client->chunked = (struct kg_http_chunked){0};
    client->body = client->in + head->n;
    client->n_body = 0;
    client->body_size = large ? server->large_size : (size_t)head->content_size;
    client->used = head->n;
    client->closes = client->continues = false;
    set_client_state(client, KG_CLIENT_BODY);
    if (!head->chunked && head->content_size > server->large_size) {
        refuse_request(client, 413, "the body is too large for the context of the model");
    } else if (!large || take_large_body(client)) {
        client->body_size = head->chunked ? server->large_size : (size_t)head->content_size;
    }
}

/* Bytes of the body that came with the head, or behind it in `in`. */
static void take_body_from_in(struct kg_client *client)
{
    size_t n = client->n_in - client->used, got = n;
    const char *from = client->in + client->used;
    if (client->head.chunked) {
        n = kg_http_unchunk(&client->chunked, from, n, client->body + client->n_body,
                            client->body_size - client->n_body, &got);
    } else {
        n = got = n < client->body_size - client->n_body ? n : client->body_size - client->n_body;
        memmove(client->body + client->n_body, from, n); /* in its place already, unless the buffer is a large one */
    }
    client->n_body += got;
    client->used += n;
}

/* True if bytes came. */
static bool read_body(struct kg_client *client)
{
    size_t n;
    bool in_large = client->large < KG_SERVER_LARGE;
    if (in_large && client->head.chunked) {
        size_t left = client->n_in - client->used;
        memmove(client->in + client->head.n, client->in + client->used, left);
        client->used = client->head.n;
        client->n_in = client->used + left;
        n = read_client(client, client->in + client->n_in, KG_SERVER_IN - client->n_in);
        client->n_in += n;
        take_body_from_in(client);
        return n > 0;
    }
    n = read_client(client, client->body + client->n_body, client->body_size - client->n_body);
    client->n_body += n;
    if (!in_large) {
        client->n_in += n;
        client->used += n;
    }
    return n > 0;
}

static bool body_is_whole(const struct kg_client *client)
{
    return client->head.chunked ? client->chunked.whole : client->n_body == client->body_size;
}

static bool step_head(struct kg_client *client)
{
    const char *problem;
    size_t n = read_client(client, client->in + client->n_in, KG_SERVER_IN - client->n_in);
    if (n && !client->n_in) {
        client->since = plat_ticks();
    }
    client->n_in += n;
    uint32_t status = client->n_in ? kg_http_read_head(&client->head, client->in, client->n_in, &problem) : 0;
    if (status == KG_HTTP_WHOLE) {
        begin_body(client);
        if (client->state == KG_CLIENT_BODY) {
            take_body_from_in(client);
        }
        return true;
    }
    if (status) {
        refuse_request(client, status, problem);
        return true;
    }
    if (!n && state_of(client) == KG_CONNECTION_ENDED) {
        close_client(client);
    }
    return n > 0;
}

static bool step_body(struct kg_client *client)
{
    if (body_is_whole(client)) {
        set_client_state(client, KG_CLIENT_ANSWERS);
        kg_endpoint_call(client);
        if (!client->job || !(client->job->task || client->job->n_prompts)) { /* these read the body later */
            free_large_body(client);
        }
        return true;
    }
    if (client->chunked.problem) {
        refuse_request(client, 400, client->chunked.problem);
        return true;
    }
    if (client->head.chunked && client->n_body == client->body_size) {
        refuse_request(client, 413, "the body is too large for the context of the model");
        return true;
    }
    if (client->head.expects && !client->continues) {
        client->continues = true;
        kg_http_say(&client->out, "HTTP/1.1 100 Continue\r\n\r\n");
    }
    send_ready(client);
    if (read_body(client) || body_is_whole(client)) {
        return true;
    }
    if (state_of(client) == KG_CONNECTION_ENDED && !client->chunked.problem) {
        close_client(client);
    }
    return client->state == KG_CLIENT_BODY && client->chunked.problem;
}

/* The answer is sent. */
static void end_request(struct kg_client *client)
{
    free_large_body(client);
    if (client->closes && !client->lingers) {
        close_client(client);
        return;
    }
    client->n_in -= client->used;
    memmove(client->in, client->in + client->used, client->n_in);
    client->used = 0;
    set_client_state(client, client->closes ? KG_CLIENT_LINGERS : KG_CLIENT_HEAD);
}

static bool step_answer(struct kg_client *client)
{
    if (client->job && state_of(client) == KG_CONNECTION_ENDED) { /* hung up: nobody reads the reply */
        close_client(client);
        return false;
    }
    if (client->job) {
        kg_job_print(client->job);
    }
    bool all = send_ready(client);
    if (client->job && client->job->ended) {
        kg_job_end(client->job);
        client->job = NULL;
    }
    if (!all || client->job) {
        return false;
    }
    end_request(client);
    return true;
}

static bool step_lingering(struct kg_client *client)
{
    char dropped[LINGER_BYTES];
    size_t n = read_client(client, dropped, sizeof dropped);
    if (!n && (state_of(client) != KG_CONNECTION_OPEN || kg_server_ms(client->server, client->since) > LINGER_MS)) {
        close_client(client);
    }
    return false;
}

/* A client that is too slow. */
static void check_time(struct kg_client *client)
{
    const struct kg_server *server = client->server;
    uint64_t most = (uint64_t)server->k->config.lm.timeout * 1000;
    uint64_t since = kg_server_ms(server, client->since), moved = kg_server_ms(server, client->moved);
    if (client->state == KG_CLIENT_HEAD && client->n_in == 0 && since > most * IDLE_TIMES) {
        close_client(client);
    } else if (client->state == KG_CLIENT_HEAD && client->n_in && since > most) {
        refuse_request(client, 408, "the head of the request took too long");
    } else if (client->state == KG_CLIENT_BODY && (moved > most || since > most * IDLE_TIMES)) {
        refuse_request(client, 408, "the body of the request took too long");
    } else if (client->state == KG_CLIENT_ANSWERS && client->sent < client->out.n + client->rest.n && moved > most) {
        drop_client(client);
    }
}

/* True if it would go on, and others have their turn. */
static bool step_client(struct kg_client *client)
{
    bool more = true;
    if (state_of(client) == KG_CONNECTION_LOST || client->broken) {
        drop_client(client);
        return false;
    }
    for (int i = 0; i < REQUESTS_AT_ONCE && more && client->state != KG_CLIENT_FREE; i++) {
        switch (client->state) {
        case KG_CLIENT_HEAD: more = step_head(client); break;
        case KG_CLIENT_BODY: more = step_body(client); break;
        case KG_CLIENT_ANSWERS: more = step_answer(client); break;
        case KG_CLIENT_LINGERS: more = step_lingering(client); break;
        case KG_CLIENT_FREE: break;
        }
    }
    check_time(client);
    return more && client->state != KG_CLIENT_FREE;
}

static void accept_clients(struct kg_server *server)
{
    const struct kg_connections *connections = server->connections;
    int32_t number;
    while ((number = connections->accept(connections->context)) >= 0) {
        struct kg_client *client = &server->clients[number];
        char *in = client->in, *out = client->out.data;
        memset(client, 0, sizeof *client);
        client->server = server;
        client->connection = (uint32_t)number;
        client->in = in;
        client->out.data = out;
        client->out.size = server->out_size;
        client->large = KG_SERVER_LARGE;
        set_client_state(client, KG_CLIENT_HEAD);
    }
}

/* If all connections are taken, the one that has been idle longest ends, so that the next client gets an answer. In a
 * kernel controllers share the connections: so many stay free for them. */
static void make_room(struct kg_server *server)
{
    struct kg_client *idle = NULL;
    uint32_t shared = server->modbus ? KG_MODBUS_MASTERS : 0, free = 0;
    for (uint32_t i = 0; i < server->connections->limit; i++) {
        struct kg_client *client = &server->clients[i];
        free += client->state == KG_CLIENT_FREE;
        if (free > shared) {
            return;
        }
        bool is_idle = client->state == KG_CLIENT_HEAD && client->n_in == 0 &&
                       (client->asked || kg_server_ms(server, client->since) > FRESH_MS);
        if (is_idle && (!idle || client->since < idle->since)) {
            idle = client;
        }
    }
    if (idle) {
        close_client(idle);
    }
}

bool kg_clients_poll(struct kg_server *server)
{
    const struct kg_connections *connections = server->connections;
    bool more = false;
    server->polled = plat_ticks();
    connections->poll(connections->context);
    accept_clients(server);
    for (uint32_t i = 0; i < connections->limit; i++) {
        if (server->clients[i].state != KG_CLIENT_FREE) {
            more = step_client(&server->clients[i]) || more;
        }
    }
    make_room(server);
    return (server->modbus && kg_modbus_poll(server->modbus)) || more;
}

void kg_clients_drop(struct kg_server *server)
{
    for (uint32_t i = 0; i < server->connections->limit; i++) {
        if (server->clients[i].state != KG_CLIENT_FREE) {
            drop_client(&server->clients[i]);
        }
    }
}

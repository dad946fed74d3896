/* mode=serve: an HTTP server for language models. A client (connection) sends requests, an endpoint answers at once or
 * makes a job. A job waits in a queue until a slot of the batch is free, and asks for one reply or several (choices).
 * A choice's text stays in its conversation until it is printed into the client's buffer, as fast as the client reads:
 * so a slow client needs no memory, and keeps its slot until it has read or is given up. */
#ifndef KGPT_APP_SERVER_H
#define KGPT_APP_SERVER_H

#include "app/lm.h"
#include "link/network.h"

#include "kgpt/connections.h"
#include "kgpt/format.h"
#include "kgpt/grammar.h"
#include "kgpt/http.h"
#include "kgpt/json.h"
#include "kgpt/json_read.h"
#include "kgpt/matcher.h"

#define KG_SERVER_IN 16384u /* bytes of a client's buffer for requests; larger bodies get one of the large buffers */
#define KG_SERVER_LARGE 16u /* large buffers */
#define KG_SERVER_VALUES 32768u        /* JSON values in one request */
#define KG_SERVER_GRAMMAR (256u << 10) /* bytes for the grammar of a job */
#define KG_SERVER_READING (4u << 20)   /* bytes for what is needed while it is read */
#define KG_SERVER_SCRATCH 16384u       /* bytes of an answer that is made at once */
#define KG_SERVER_LONG 1048576u        /* bytes of a long answer */
#define KG_SERVER_LONGS 2u             /* long answers that are sent at once */
#define KG_SERVER_STOP 256u            /* bytes of a stop string, with its NUL */
#define KG_SERVER_CHOICES 128u         /* the largest n */

#define KG_MODBUS_MASTERS 8u /* connections of controllers at once */

struct kg_server;
struct kg_modbus;
struct kg_client;
struct kg_job;
struct kg_choice;
struct kg_part;

/* A JSON writer whose text goes to a buffer: answers/json.c. */
struct kg_server_writer {
    struct kg_json json;
    struct kg_http_out *out;
};

/* How an API shows the replies of a job: chat, completion, Ollama…, as a whole or as a stream. Each function prints one
 * unit, which fits KG_SERVER_UNIT bytes with a text of KG_SERVER_PART bytes; NULL prints nothing. */
struct kg_style {
    const char *type; /* Content-Type */
    bool stream;      /* choices are printed as they come; otherwise one after the other, when they have ended */
    void (*begin)(struct kg_job *job, struct kg_http_out *out);
    void (*open)(const struct kg_choice *choice, struct kg_http_out *out);
    /* The next part of the text. `record`: the sampled token that it belongs to, if the job tells logprobs; else
     * KG_NO_RECORD. */
    void (*text)(const struct kg_choice *choice, const char *text, size_t n, uint32_t record, struct kg_http_out *out);
    /* Behind the text of a style without `stream`: the token number `record`. With `passes` (0: one) numbers go on
     * behind the last token, so that each is printed so many times. */
    void (*record)(const struct kg_choice *choice, uint32_t record, struct kg_http_out *out);
    uint32_t passes;
    /* A part of a call (tools.h), of a job with `calls`: text is JSON, of a name what stands between its quotes. The
     * number of the call is choice->n_calls. */
    void (*call)(const struct kg_choice *choice, const struct kg_part *part, struct kg_http_out *out);
    void (*close)(const struct kg_choice *choice, struct kg_http_out *out);
    void (*end)(struct kg_job *job, struct kg_http_out *out);
};
#define KG_NO_RECORD UINT32_MAX
#define KG_SERVER_PART 1024u /* bytes of text in one unit */

enum kg_job_state {
    KG_JOB_FREE,
    KG_JOB_WAITS,  /* choices are to begin */
    KG_JOB_RUNS,   /* all have begun */
    KG_JOB_FAILED, /* no choice begins; what runs is ended */
};

/* What the request asked for; for styles of several endpoints. */
enum kg_job_kind { KG_JOB_CHAT, KG_JOB_TEXT };

/* A prompt in the body of a request, in place: a text, or a list of tokens. */
struct kg_prompt_place {
    uint32_t at, n;
    bool tokens;
};

struct kg_job {
    uint32_t *tokens; /* (n_ctx + 1): the prompt. A new request clears what is between this and `memory`. */
    struct kg_server *server;
    struct kg_client *client; /* NULL: it has gone, or has got its answer */
    const struct kg_style *style;
    enum kg_job_state state;
    enum kg_job_kind kind;
    /* Work that needs a free slot and its session, in place of replies: it answers at once. It is called between two
     * passes. */
    void (*task)(struct kg_job *job, struct kg_choice *choice);
    uint64_t number;  /* of the request, from 1: in its id, and the order of the queue */
    uint64_t created; /* seconds since 1970; 0: the machine does not know */
    uint32_t n_tokens;
    uint32_t n_prompts, prompt, each;
    uint64_t all_tokens;     /* of all prompts */
    uint32_t n;              /* choices */
    uint32_t begun, running; /* of them */
    uint32_t printed;        /* choices whose end was printed */
    uint32_t top_logprobs;   /* likeliest tokens that are told with each token */
    bool logprobs;           /* tokens are told with their probabilities */
    uint32_t tools;          /* list of tools in the request, while it is read; KG_JSON_NONE: none */
    bool calls;              /* the reply may call tools */
    bool one_call;           /* … one at most */
    bool usage;              /* a stream ends with its usage */
    bool failed;
    bool head_sent, ended; /* of the answer */
    uint32_t cached;       /* tokens of the prompt that were not computed */
    uint64_t sampled;      /* tokens of all choices that have ended */
    uint64_t asked_at;     /* plat_ticks() */
    uint64_t passes_at;    /* batch.passes then */

    /* Large members last: the code that reaches the others is shorter. */
    struct kg_request request;
    struct kg_grammar grammar; /* … where the reply has one */
    char stops[KG_MAX_STOPS][KG_SERVER_STOP];
    /* A job with several prompts: those of the choices from `each` * i on is number i. job->tokens has number `prompt`,
     * and the body stays until the answer is sent. */
    struct kg_prompt_place prompts[KG_SERVER_CHOICES];
    struct kg_arena memory; /* (KG_SERVER_GRAMMAR): of the grammar */
};

/* A sampled token of a choice. */
struct kg_record {
    uint32_t id;
    float logprob;
    size_t text_end; /* bytes of the reply's text with it */
};

/* A call of a tool in the text of a reply: calls.c. */
struct kg_call_place {
    size_t name, n_name, arguments, end; /* of its name and its arguments */
    size_t after;                        /* behind it */
    size_t checked;                      /* no call begins before this place */
};

/* The reply in a slot of the batch. */
struct kg_choice {
    struct kg_server *server;
    struct kg_job *job; /* NULL: the slot is free */
    uint32_t slot, index;
    struct kg_conversation *conversation;
    bool opened, ended, closed; /* its beginning and end are printed; it is computed */
    size_t told;                /* bytes of its text that are printed */
    uint32_t n_calls;           /* printed */
    bool in_call;               /* the name of `call` is printed, its end is not */
    bool bare;                  /* its text begins with a call */
    struct kg_record *records;  /* (n_ctx + 1) */
    struct kg_logprob *tops;    /* (n_ctx + 1, KG_MAX_LOGPROBS) */
    uint32_t n_records, told_records;
    uint64_t used_at; /* server->clock when the slot was last used */

    /* Large members last: the code that reaches the others is shorter. */
    struct kg_call_place call;
    struct kg_request request; /* with the index of the choice */
    struct kg_sink sink;
};

/* A client within the server, without a connection: its replies are not printed. It takes the choice of its job when
 * that has ended, and frees it (kg_choice_free, kg_job_end). */
struct kg_inner {
    void (*token)(struct kg_client *client, const struct kg_choice *choice, const struct kg_reply *reply,
                  const struct kg_token *token);
    void (*refused)(struct kg_client *client, uint32_t status, const char *message); /* in place of kg_answer_error */
};

enum kg_client_state {
    KG_CLIENT_FREE,
    KG_CLIENT_HEAD, /* between requests, or the head is not complete */
    KG_CLIENT_BODY,
    KG_CLIENT_ANSWERS, /* a job or its buffer has more to send */
    KG_CLIENT_LINGERS, /* the last answer is sent: what comes is dropped, until the client closes */
};

/* What most code asks for comes first: the code that reaches it is shorter. */
struct kg_client {
    struct kg_server *server;
    uint32_t connection;
    enum kg_client_state state;
    bool asked;     /* bytes of a request have come */
    bool closes;    /* after this answer */
    bool lingers;   /* … but not at once: more of the refused request may come, which would reset the connection */
    bool continues; /* "100 Continue" was sent */
    bool broken;    /* the answer cannot be completed: the connection is reset */
    uint32_t large; /* number of the large buffer; KG_SERVER_LARGE: none */
    struct kg_job *job;
    char *in; /* (KG_SERVER_IN): `n_in` bytes of requests */
    size_t n_in;
    size_t used; /* bytes of `in` that belong to the request */
    char *body;  /* in `in` or in the large buffer: `n_body` bytes of `body_size` */
    size_t n_body, body_size;
    uint64_t since, moved;  /* plat_ticks(): of the state, and when bytes last came or went */
    struct kg_http_out out; /* … of which `sent` bytes are sent */
    struct kg_http_head head;
    struct kg_http_chunked chunked;
    size_t sent;
    struct kg_text rest;          /* of an answer that is sent from where it lies, behind `out` */
    const struct kg_inner *inner; /* NULL: the client has a connection */
    const char *allow;            /* methods of the path, for an answer 405 */
};

/* What most code asks for comes first: the code that reaches it is shorter. */
struct kg_server {
    struct kgpt *k;
    const struct kg_lm_loaded *loaded; /* the model */
    uint32_t n_ctx;                    /* of each slot */
    const struct kg_connections *connections;
    struct kg_client *clients; /* (KG_CONNECTIONS_MAX): by connections */
    struct kg_choice *choices; /* (batch.n): by slots */
    struct kg_job *jobs;       /* (n_jobs) */
    uint32_t n_jobs, queue;
    struct kg_json_tree json; /* of the request that is read */
    struct kg_batch batch;
    char *piece;                                        /* (vocab.longest) */
    struct kg_modbus *modbus;                           /* NULL: off */
    uint64_t started, polled;                           /* plat_ticks() */
    uint64_t clock, requests;                           /* counters */
    uint64_t tokens, prompt_tokens, refused, cancelled; /* since the start, for /metrics */
    uint64_t drafted, accepted;                         /* … tokens (kgpt/speculation.h) */
    bool stopped;                                       /* Ctrl-C, or the run shall end */
    bool inside;                                        /* a pass is being computed: no reply may begin */
    bool (*poll)(struct kg_server *server);             /* kg_clients_poll, between the layers of a pass */
    struct kg_network *network;
    const char *key;              /* NULL: none */
    struct kg_matcher *matchers;  /* (batch.n) */
    char *scratch;                /* (KG_SERVER_SCRATCH) */
    char *longs[KG_SERVER_LONGS]; /* (KG_SERVER_LONG): answers/long_answer.c */
    char name[64];                /* the model's name for clients */
    struct kg_token_order order;
    char *large[KG_SERVER_LARGE];
    bool large_taken[KG_SERVER_LARGE];
    size_t large_size, out_size;
    struct kg_server_writer writer; /* one text is written at a time */
    struct kg_http_out made;        /* an answer, before it is sent */
};

/* answers/json.c. The server's writer, for a text that goes to `out`: it is there behind kg_json_flush. A text that was
 * begun before ends. The second one: `out` is server->made, in a buffer of `size` bytes. */
struct kg_json *kg_json_into(struct kg_server *server, struct kg_http_out *out);
struct kg_json *kg_json_make(struct kg_server *server, char *data, size_t size);

/* server.c: memory for n slots beside the console's conversation (NULL where the arena only counts); then the server
 * itself, until Ctrl-C. */
struct kg_server *kg_server_carve(struct kgpt *k, uint32_t slots, struct kg_arena *arena);
enum kg_status kg_server_run(struct kgpt *k, struct kg_error *error);

/* time.c */
uint64_t kg_server_ms(const struct kg_server *server, uint64_t since); /* milliseconds since then */

/* clients.c: bytes of clients become requests, and answers are sent. Never waits; to be called often. */
bool kg_clients_poll(struct kg_server *server); /* true: more can be done at once */
void kg_clients_drop(struct kg_server *server); /* all of them, at once */

/* modbus.c: a second listener, for controllers, with modbus=on. Carve gives NULL where the arena only counts. */
struct kg_modbus *kg_modbus_carve(struct kg_server *server, struct kg_arena *arena);
enum kg_status kg_modbus_open(struct kg_modbus *modbus, struct kg_error *error);
bool kg_modbus_poll(struct kg_modbus *modbus); /* as kg_clients_poll */
void kg_modbus_drop(struct kg_modbus *modbus);

/* endpoints.c: calls the endpoint of a complete request. */
void kg_endpoint_call(struct kg_client *client);

/* answers/answers.c: an answer that is known at once. */
void kg_answer(struct kg_client *client, uint32_t status, const char *type, const char *body, size_t n);
/* … which is sent from where it lies. */
void kg_answer_from(struct kg_client *client, const char *type, struct kg_text body);
/* The head of an answer up to, without, its empty line; `size` SIZE_MAX: the body is chunked. */
void kg_answer_head(struct kg_client *client, uint32_t status, const char *type, size_t size);
/* OpenAI's error object. `param` and `code` may be NULL. */
void kg_answer_error(struct kg_client *client, uint32_t status, const char *param, const char *code, const char *format,
                     ...) __attribute__((format(printf, 5, 6)));
/* 400 with the code invalid_value, or unsupported_parameter. They are false: a compiler that sees it drops what would
 * come behind. */
#define kg_refuse_value(...) (kg_answer_value(__VA_ARGS__), false)
#define kg_refuse_field(client, name) (kg_answer_unsupported(client, name), false)
void kg_answer_value(struct kg_client *client, const char *param, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void kg_answer_unsupported(struct kg_client *client, const char *name);
/* The answer is JSON in server->scratch: begin, write, send. */
struct kg_json *kg_answer_json_begin(struct kg_client *client);
void kg_answer_json_send(struct kg_client *client, uint32_t status);

/* answers/long_answer.c: JSON that may be longer than the scratch. Its buffer is taken until it is sent; with none
 * left, begin answers with 503: NULL. `send` answers with 400 if the JSON did not fit. */
struct kg_json *kg_answer_long_begin(struct kg_client *client);
void kg_answer_long_send(struct kg_client *client);

/* jobs.c. kg_job_new answers with 503 itself if the queue is full: NULL. kg_job_start puts the job into the queue. */
struct kg_job *kg_job_new(struct kg_client *client, const struct kg_style *style);
void kg_job_drop(struct kg_job *job); /* one that is not started */
void kg_job_start(struct kg_job *job);
void kg_job_end(struct kg_job *job);           /* its answer is printed */
void kg_job_leave(struct kg_job *job);         /* the client has gone: ends its replies with the next token */
void kg_choice_free(struct kg_choice *choice); /* its slot is free */
void kg_jobs_begin(struct kg_server *server);  /* fills free slots */
void kg_jobs_step(struct kg_server *server);   /* computes a token of each reply */
bool kg_jobs_run(const struct kg_server *server);

/* print.c: prints what has come of the client's job, as far as its buffer has room. */
void kg_job_print(struct kg_job *job);
/* OpenAI's finish_reason: "stop", "length" or "tool_calls". */
const char *kg_choice_reason(const struct kg_choice *choice);

/* fields.c: members of a request. Each answers with 400 itself, naming the field, and returns false. A missing field,
 * and null, leave the value as it is. */
bool kg_request_json(struct kg_client *client, uint32_t *root); /* reads the body, which must be an object */
bool kg_field_bool(struct kg_client *client, uint32_t object, const char *name, bool *value);
bool kg_field_number(struct kg_client *client, uint32_t object, const char *name, double least, double most,
                     float *value);
bool kg_field_count(struct kg_client *client, uint32_t object, const char *name, uint32_t least, uint32_t most,
                    uint32_t *value);
bool kg_value_token(const struct kg_client *client, uint32_t value, uint32_t *token); /* false: no number of one */
bool kg_field_text(struct kg_client *client, uint32_t object, const char *name, struct kg_text *value);
uint32_t kg_field(const struct kg_client *client, uint32_t object, const char *name); /* KG_JSON_NONE for null too */

/* A field that is not supported and would change the answer, unless it is off: null, false, an empty list, one of the
 * two texts, a list of nothing but `text`, or the number. */
struct kg_off_field {
    const char *name, *text, *also;
    float number;
};
#define KG_NEVER_OFF __builtin_nanf("") /* no number is this one */
bool kg_fields_off(struct kg_client *client, uint32_t object, const struct kg_off_field *fields, size_t n);

/* sampling.c: the sampling options, seed, stop strings and max_tokens of a request, by OpenAI's and llama.cpp's names,
 * into job->request, which begins with the options of the command line. */
bool kg_fields_sampling(struct kg_client *client, uint32_t object, struct kg_job *job);
/* The most tokens of a reply, as num_predict (Ollama) and n_predict (llama.cpp) say it. With -1 and -2 the context is
 * the limit. */
bool kg_field_predict(struct kg_client *client, uint32_t object, const char *name, struct kg_job *job);
void kg_job_defaults(struct kg_job *job); /* the options of the command line, and a random seed */

/* constrain.c: memory for grammars; the grammar of a request, which kg_job_messages has to know. */
void kg_server_grammars_carve(struct kg_server *server, const struct kg_vocab *vocab, struct kg_arena *arena);
enum kg_status kg_server_grammars_fill(struct kg_server *server, struct kg_error *error);
bool kg_fields_grammar(struct kg_client *client, uint32_t object, struct kg_job *job);
/* Takes the grammar that was read into job->grammar, or answers why it was not. */
bool kg_job_constrain(struct kg_client *client, struct kg_job *job, const char *field, enum kg_status status,
                      const struct kg_error *error);
bool kg_field_format(struct kg_client *client, uint32_t root, struct kg_job *job); /* the same of Ollama's requests */

/* messages.c: the messages of a chat as tokens of the job. It is called behind kg_fields_tools (tools.h). */
bool kg_job_messages(struct kg_client *client, uint32_t messages, struct kg_job *job);

/* prompt.c: a chat, or a text, as tokens of the job. They answer themselves if that is refused. */
bool kg_job_told(struct kg_client *client, const struct kg_told_chat *chat, struct kg_job *job);
bool kg_job_text(struct kg_client *client, struct kg_text text, struct kg_job *job);
/* The prompt or prompts of a value: a text, numbers of tokens, or a list of these. Behind job->n. */
bool kg_job_prompts(struct kg_client *client, uint32_t value, struct kg_job *job);
/* Before a choice begins: its prompt is in job->tokens. */
enum kg_status kg_job_next_prompt(struct kg_job *job, struct kg_error *error);
/* One message, in the chat template. A `system` without data is that of the command line. */
bool kg_job_message(struct kg_client *client, struct kg_text system, struct kg_text text, struct kg_job *job);

#endif

/* What the endpoints of OpenAI's API share. */
#ifndef KGPT_APP_OPENAI_H
#define KGPT_APP_OPENAI_H

#include "app/server/server.h"

/* True for the name that clients know, and for that in the model's file. */
bool kg_openai_is_model(const struct kg_server *server, struct kg_text name);

/* Refuses a request for another model (404), and fields that would change the answer and are not supported. */
bool kg_openai_check(struct kg_client *client, uint32_t root);

/* Refuses tools, for an endpoint without a chat. */
bool kg_openai_has_no_tools(struct kg_client *client, uint32_t root);

/* n, max_tokens, stream, stream_options and the sampling options. */
bool kg_openai_fields(struct kg_client *client, uint32_t root, struct kg_job *job, bool *stream);

/* "id", "object", "created", "model" and "system_fingerprint" of an open object. `prefix`: of the id. */
void kg_openai_keys(struct kg_json *json, const struct kg_job *job, const char *prefix, const char *object);

/* "usage", at the end of a job. */
void kg_openai_usage(struct kg_json *json, const struct kg_job *job);

/* openai_chunks.c: parts of styles. The whole answer: its texts, and its end behind the choices. */
void kg_openai_add_text(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                        struct kg_http_out *out);
void kg_openai_end(struct kg_job *job, struct kg_http_out *out);

/* A chunk of a stream, open in the list of its choices; `usage`: with that of the job. Then the end of the stream. */
struct kg_json *kg_openai_begin_chunk(const struct kg_job *job, const char *prefix, const char *object,
                                      struct kg_http_out *out);
void kg_openai_end_chunk(struct kg_json *json, const struct kg_job *job, bool usage);
void kg_openai_end_stream(struct kg_job *job, const char *prefix, const char *object, struct kg_http_out *out);

#endif

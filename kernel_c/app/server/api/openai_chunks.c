/* Parts of replies that chats and texts share: the end of a whole answer, and chunks of a stream. See openai.h. */
#include "openai.h"

void kg_openai_add_text(const struct kg_choice *choice, const char *text, size_t n, uint32_t record,
                        struct kg_http_out *out)
{
    (void)record;
    struct kg_json *json = kg_json_into(choice->server, out);
    kg_json_escaped(json, text, n);
    kg_json_flush(json);
}

void kg_openai_end(struct kg_job *job, struct kg_http_out *out)
{
    struct kg_json *json = kg_json_into(job->server, out);
    kg_json_list_end(json);
    kg_openai_usage(json, job);
    kg_json_object_end(json);
    kg_json_flush(json);
}

struct kg_json *kg_openai_begin_chunk(const struct kg_job *job, const char *prefix, const char *object,
                                      struct kg_http_out *out)
{
    struct kg_json *json = kg_json_into(job->server, out);
    kg_json_raw(json, "data: ", 6);
    kg_json_object_begin(json, NULL);
    kg_openai_keys(json, job, prefix, object);
    kg_json_list_begin(json, "choices");
    return json;
}

void kg_openai_end_chunk(struct kg_json *json, const struct kg_job *job, bool usage)
{
    kg_json_list_end(json);
    if (usage) {
        kg_openai_usage(json, job);
    } else if (job->usage) {
        kg_json_null(json, "usage");
    }
    kg_json_object_end(json);
    kg_json_raw(json, "\n\n", 2);
    kg_json_flush(json);
}

void kg_openai_end_stream(struct kg_job *job, const char *prefix, const char *object, struct kg_http_out *out)
{
    if (job->usage) {
        kg_openai_end_chunk(kg_openai_begin_chunk(job, prefix, object, out), job, true);
    }
    kg_http_say(out, "data: [DONE]\n\n");
}

/* Tools that a model can call: what requests say of them, and what replies do. See docs/api.md. */
#ifndef KGPT_APP_TOOLS_H
#define KGPT_APP_TOOLS_H

#include "server.h"

/* tools.c: the fields tools, tool_choice and parallel_tool_calls. Behind the other fields of the request: a tool that
 * must be called becomes a grammar. `choice` false: the API has only the first of the three. */
bool kg_fields_tools(struct kg_client *client, uint32_t root, struct kg_job *job, bool choice);

/* The tools of the job as the chat's template wants them, in memory of the arena. */
bool kg_job_tools(struct kg_client *client, const struct kg_job *job, struct kg_told_chat *chat);

/* The calls in message number `i`, if it has some. */
bool kg_message_calls(struct kg_client *client, uint32_t message, uint32_t i, struct kg_told *told);

/* calls.c: a part of a reply that may call tools: its text, then for each call its name, its arguments (JSON) in
 * several parts, and its end. */
enum kg_part_kind { KG_PART_NONE, KG_PART_TEXT, KG_PART_CALL, KG_PART_ARGUMENTS, KG_PART_CALL_END };
struct kg_part {
    enum kg_part_kind kind;
    const char *text;
    size_t n;
    size_t then; /* choice->told behind it */
};

/* The next part of the reply of a job with `calls`. NONE: there is nothing yet, or no more. kg_choice_told: it is
 * printed; `cut`: only its first n bytes are, and the rest is the next part. */
struct kg_part kg_choice_part(struct kg_choice *choice);
void kg_choice_told(struct kg_choice *choice, const struct kg_part *part, bool cut);

/* python_json.c: a value as json.dumps(…, ensure_ascii=False) writes it, in memory of the arena. Numbers stay as they
 * were written. False: there is no memory. */
bool kg_json_as_python(const struct kg_json_tree *tree, uint32_t value, struct kg_arena *arena, struct kg_text *text);

#endif

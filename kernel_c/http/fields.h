/* What heads of requests and of responses share: lines, fields, numbers. */
#ifndef KGPT_HTTP_FIELDS_H
#define KGPT_HTTP_FIELDS_H

#include "kgpt/http.h"

#define KG_HTTP_BAD 400u
#define KG_HTTP_HEAD_TOO_LONG 431u

char kg_http_small(char c);
struct kg_text kg_http_part(struct kg_text text, size_t from, size_t to);
size_t kg_http_find(struct kg_text text, size_t from, char c); /* text.n: it is not there */
uint32_t kg_http_refuse(const char **problem, uint32_t status, const char *why);

/* The line that starts at *at, without its end; *at moves behind that. False: it is not complete, or its end is not
 * CR LF: then *problem says so. */
bool kg_http_line(struct kg_text bytes, size_t *at, struct kg_text *line, const char **problem);

/* Adds the field NAME: VALUE. Returns KG_HTTP_WHOLE, or the status of the refusal. */
uint32_t kg_http_add_field(struct kg_http_head *head, struct kg_text line, const char **problem);

uint32_t kg_http_count(const struct kg_http_head *head, const char *name); /* fields of this name */
bool kg_http_number(struct kg_text text, uint64_t *number);                /* digits alone */

/* True if one of the fields of this name lists the word. */
bool kg_http_says(const struct kg_http_head *head, const char *name, const char *word);

#endif

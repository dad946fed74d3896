/* What the endpoints of Ollama's API share. */
#ifndef KGPT_APP_OLLAMA_H
#define KGPT_APP_OLLAMA_H

#include "app/server/server.h"

#define KG_OLLAMA_NAME 80u /* bytes of a name with its tag, and of a time, with their NUL */

/* The model's name with a tag, as Ollama has it: "NAME:latest". */
void kg_ollama_name(const struct kg_server *server, char name[KG_OLLAMA_NAME]);

/* The time as RFC 3339 has it. `seconds` as kg_server_time counts them. */
void kg_ollama_time(uint64_t seconds, char text[KG_OLLAMA_NAME]);

/* Refuses a request for another model (404). The name may have the tag "latest", or none; `field` holds it. */
bool kg_ollama_check(struct kg_client *client, uint32_t root, const char *field);

#endif

/* The chat page: see page.html, which kgpt_build/headers/page.py makes a header of. */
#include "app/server/endpoints.h"
#include "app/server/server.h"

#include "kgpt_page.h"

/* The page needs nothing from elsewhere, and may ask nobody but this server. */
#define POLICY                                                                                             \
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; " \
    "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n"   \
    "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nVary: Accept\r\n\r\n"

static bool wants_page(const struct kg_client *client)
{
    static const char html[] = "text/html";
    struct kg_text accept = kg_http_field(&client->head, "accept");
    for (size_t i = 0; i + sizeof html - 1 <= accept.n; i++) {
        if (kg_http_same((struct kg_text){accept.data + i, sizeof html - 1}, html)) {
            return true;
        }
    }
    return false;
}

/* Browsers get the page. Clients of Ollama's API look here for a sign of life. */
void kg_get_root(struct kg_client *client)
{
    static const char running[] = "Ollama is running";
    if (!wants_page(client)) {
        kg_answer(client, 200, "text/plain; charset=utf-8", running, sizeof running - 1);
        return;
    }
    kg_answer_head(client, 200, "text/html; charset=utf-8", sizeof kg_page_text - 1);
    kg_http_put(&client->out, POLICY, sizeof POLICY - 1);
    if (!kg_http_same(client->head.method, "head")) {
        client->rest = (struct kg_text){kg_page_text, sizeof kg_page_text - 1};
    }
}

/* The endpoints: rows of endpoints.def, and the functions behind them. */
#ifndef KGPT_APP_ENDPOINTS_H
#define KGPT_APP_ENDPOINTS_H

#include "server.h"

enum kg_endpoint_needs {
    KG_NEEDS_KEY = 1,
    KG_NEEDS_JSON = 2,
};

struct kg_endpoint {
    const char *method, *path;
    void (*call)(struct kg_client *client); /* answers, or makes a job */
    uint32_t needs;
};

#define KG_ENDPOINT(method, path, function, needs) void function(struct kg_client *client);
#include "endpoints.def"

#endif

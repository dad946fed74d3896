/* What both protocols use: see fetch.h. */
#include "fetch.h"

#include "kgpt/format.h"

#define WAIT_MS 10u

bool kg_fetch_wait(struct kg_fetch *fetch)
{
    const struct kg_dial *dial = fetch->dial;
    bool worked = fetch->work(fetch->context);
    dial->wait(dial->context, worked ? 0 : WAIT_MS);
    return !fetch->stopped(fetch->context);
}

enum kg_fetch_end kg_fetch_fail(struct kg_fetch *fetch, const char *problem)
{
    kg_format(fetch->problem, sizeof fetch->problem, "%s", problem);
    return KG_FETCH_FAILED;
}

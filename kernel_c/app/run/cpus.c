#include "cpus.h"

#include "app/events/events.h"
#include "app/events/print.h"

void kg_cpus_start(struct kgpt *k)
{
    if (k->workers) {
        return;
    }
    struct kg_cpus cpus = plat_start_cpus(k->config.cpus, &k->arena);
    k->workers = cpus.started;
    kg_print("kgpt: cpus: %u found, %u started%s%s\n", cpus.found, cpus.started, cpus.note[0] ? ": " : "", cpus.note);
    KG_EMIT(cpus, .found = cpus.found, .started = cpus.started, .by = cpus.by, .note = cpus.note);
}

/* Time, as the server tells it: see server.h. */
#include "server.h"

uint64_t kg_server_ms(const struct kg_server *server, uint64_t since)
{
    (void)server;
    return kg_ticks_to_us(plat_ticks() - since, plat_ticks_hz()) / 1000;
}

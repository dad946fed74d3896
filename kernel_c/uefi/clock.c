/* The time of day, for kernels that find no clock of their own. */
#include "kgpt/calendar.h"
#include "loader.h"

#define DAY_MINUTES 1440

uint64_t kg_uefi_time(const struct kg_efi_system_table *system)
{
    struct kg_efi_time now;
    if (!system->runtime || !system->runtime->get_time || kg_efi_failed(system->runtime->get_time(&now, NULL))) {
        return 0;
    }
    bool zone_is_known = now.zone >= -DAY_MINUTES && now.zone <= DAY_MINUTES; /* else UTC: most firmware keeps that */
    int64_t ahead = zone_is_known ? now.zone * 60 : 0;
    uint64_t seconds =
        kg_date_seconds(&(struct kg_date){now.year, now.month, now.day, now.hour, now.minute, now.second});
    return seconds ? seconds + (uint64_t)ahead : 0;
}

/* Dates of the Gregorian calendar, in UTC. */
#ifndef KGPT_DATE_H
#define KGPT_DATE_H

#include <stdbool.h>
#include <stdint.h>

#include "kgpt/calendar.h"

#define KG_DATE_TEXT 24u /* bytes of "2026-11-30 12:34 UTC", with its NUL */

/* `seconds` since 1970. The year must fit its type. */
struct kg_date kg_date_of(uint64_t seconds);

/* True if a clock that tells this time can be right (FIRST_YEAR and LAST_YEAR of kgpt/store.def). The clock of a PC
 * whose battery is empty tells a year before. */
bool kg_date_is_plausible(uint64_t seconds);

/* "2026-11-30 12:34 UTC"; empty if the time is not plausible. */
void kg_date_text(uint64_t seconds, char text[KG_DATE_TEXT]);

#endif

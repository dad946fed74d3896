/* Dates: see kgpt/date.h. */
#include "kgpt/date.h"

#include "kgpt/format.h"
#include "kgpt/store.h"

#define DAY_SECONDS 86400u
#define TO_MARCH_0000 719468u /* days from 0000-03-01 to 1970-01-01 */
#define ERA_DAYS 146097u      /* of 400 years */

/* Years begin in March here, so the day of a leap year comes last. */
struct kg_date kg_date_of(uint64_t seconds)
{
    uint64_t days = seconds / DAY_SECONDS + TO_MARCH_0000, era = days / ERA_DAYS, day = days % ERA_DAYS;
    uint64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    uint64_t of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    uint32_t of_month = (uint32_t)(of_year - (153 * month + 2) / 5 + 1);
    uint32_t civil = (uint32_t)(month < 10 ? month + 3 : month - 9), in_day = (uint32_t)(seconds % DAY_SECONDS);
    return (struct kg_date){
        .year = (uint32_t)(year + era * 400 + (civil <= 2)),
        .month = civil,
        .day = of_month,
        .hour = in_day / 3600,
        .minute = in_day / 60 % 60,
        .second = in_day % 60,
    };
}

bool kg_date_is_plausible(uint64_t seconds)
{
    uint32_t year = seconds <= UINT32_MAX ? kg_date_of(seconds).year : 0;
    return year >= KG_STORE_FIRST_YEAR && year <= KG_STORE_LAST_YEAR;
}

void kg_date_text(uint64_t seconds, char text[KG_DATE_TEXT])
{
    text[0] = '\0';
    if (kg_date_is_plausible(seconds)) {
        struct kg_date date = kg_date_of(seconds);
        kg_format(text, KG_DATE_TEXT, "%04u-%02u-%02u %02u:%02u UTC", date.year, date.month, date.day, date.hour,
                  date.minute);
    }
}

/* A date of the Gregorian calendar, and its seconds. Dates of seconds: kgpt/date.h. */
#ifndef KGPT_CALENDAR_H
#define KGPT_CALENDAR_H

#include <stdint.h>

struct kg_date {
    uint32_t year, month, day, hour, minute, second;
};

/* The seconds from 1970 to a date; 0: no date, or not from 2000 to 2099. Inline: a clock of PCs and UEFI's loader tell
 * dates. */
static inline uint64_t kg_date_seconds(const struct kg_date *date)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    if (date->second > 59 || date->minute > 59 || date->hour > 23 || date->day < 1 || date->day > 31 ||
        date->month < 1 || date->month > 12 || date->year < 2000 || date->year > 2099) {
        return 0;
    }
    uint64_t leaps = (date->year - 1969) / 4; /* 2000 was a leap year */
    uint64_t days = (date->year - UINT64_C(1970)) * 365 + leaps + before[date->month - 1] +
                    (date->year % 4 == 0 && date->month > 2) + date->day - 1;
    return ((days * 24 + date->hour) * 60 + date->minute) * 60 + date->second;
}

#endif

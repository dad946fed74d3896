/* The time of day, from the clock in CMOS. Machines of PCs keep UTC there, or local time: nothing tells which. */
#include "kgpt/calendar.h"
#include "kgpt/platform.h"
#include "platform/x86_64/io.h"

#define RTC_INDEX 0x70
#define RTC_DATA 0x71
#define RTC_A 0x0A
#define RTC_UPDATES 0x80u /* of A: the numbers are about to change */
#define RTC_B 0x0B
#define RTC_BINARY 0x04u /* of B: numbers are binary, not BCD */
#define RTC_24_HOURS 0x02u
#define RTC_AFTERNOON 0x80u /* of the hours, unless there are 24 */
#define RTC_TRIES 100000u   /* an update takes 2 ms; a read of a port about 1 us */

enum { SECOND, MINUTE, HOUR, DAY, MONTH, YEAR, NUMBERS };

static uint8_t read_rtc(uint8_t index)
{
    kg_outb(RTC_INDEX, index);
    return kg_inb(RTC_DATA);
}

/* The numbers as they stand there, between two updates. False: there is no clock, or it never rests. */
static bool read_rtc_numbers(uint8_t raw[NUMBERS])
{
    static const uint8_t indexes[NUMBERS] = {0x00, 0x02, 0x04, 0x07, 0x08, 0x09};
    for (uint32_t tries = 0; tries < RTC_TRIES; tries++) {
        if (read_rtc(RTC_A) & RTC_UPDATES) {
            continue;
        }
        bool same = true;
        for (int i = 0; i < NUMBERS; i++) {
            raw[i] = read_rtc(indexes[i]);
        }
        for (int i = 0; i < NUMBERS; i++) {
            same = same && raw[i] == read_rtc(indexes[i]);
        }
        if (same && !(read_rtc(RTC_A) & RTC_UPDATES)) {
            return true;
        }
    }
    return false;
}

static uint32_t from_bcd(uint32_t byte)
{
    return (byte >> 4) * 10 + (byte & 15);
}

uint64_t plat_time(void)
{
    uint8_t raw[NUMBERS];
    uint32_t n[NUMBERS];
    if (!read_rtc_numbers(raw)) {
        return 0;
    }
    uint8_t form = read_rtc(RTC_B);
    bool afternoon = !(form & RTC_24_HOURS) && (raw[HOUR] & RTC_AFTERNOON);
    raw[HOUR] &= form & RTC_24_HOURS ? 0xFF : 0x7F;
    for (int i = 0; i < NUMBERS; i++) {
        n[i] = form & RTC_BINARY ? raw[i] : from_bcd(raw[i]);
    }
    if (!(form & RTC_24_HOURS)) {
        n[HOUR] = n[HOUR] % 12 + (afternoon ? 12 : 0);
    }
    return kg_date_seconds(&(struct kg_date){2000 + n[YEAR], n[MONTH], n[DAY], n[HOUR], n[MINUTE], n[SECOND]});
}

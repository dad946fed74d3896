/* Progress of a file: see progress.h. */
#include "progress.h"

#include "kgpt/format.h"

#define KB UINT64_C(1000)
#define MB UINT64_C(1000000)
#define FIGURES 48     /* columns of the text behind the bar */
#define LEAST_TIME 500 /* ms before a rate is shown */

void kg_progress_text(char text[KG_PROGRESS_BYTES], uint64_t done, uint64_t total, uint64_t milliseconds,
                      size_t columns)
{
    size_t width = columns > FIGURES + 10 ? columns - FIGURES : 10, n = 0;
    width = width > 52 ? 52 : width;
    size_t filled = total ? (size_t)(done / (total / width + 1)) : width;
    filled = done >= total ? width : filled;
    text[n++] = '[';
    for (size_t i = 0; i < width; i++) {
        text[n++] = i < filled ? '#' : '.';
    }
    text[n++] = ']';
    uint64_t percent = total < 100 ? (done >= total ? 100 : 0) : done / (total / 100);
    uint64_t unit = total < MB ? KB : MB;
    n += kg_format(text + n, KG_PROGRESS_BYTES - n, " %3llu %%, %llu of %llu %s",
                   (unsigned long long)(percent > 100 ? 100 : percent),
                   (unsigned long long)((done + (done == total ? unit - 1 : 0)) / unit),
                   (unsigned long long)((total + unit - 1) / unit), unit == KB ? "KB" : "MB");
    if (milliseconds < LEAST_TIME || done == 0) {
        return;
    }
    uint64_t rate = done / milliseconds; /* in KB/s */
    uint64_t left = rate ? (total - done) / rate / 1000 : 0;
    kg_format(text + n, KG_PROGRESS_BYTES - n, ", %llu.%llu MB/s, %llu:%02llu left", (unsigned long long)(rate / 1000),
              (unsigned long long)(rate / 100 % 10), (unsigned long long)(left / 60), (unsigned long long)(left % 60));
}

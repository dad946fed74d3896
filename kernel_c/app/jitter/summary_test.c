#include "summary.h"

#include "kgpt/test.h"

KG_TEST(jitter, percentiles_of_ranks)
{
    uint64_t values[1000];
    for (size_t i = 0; i < 1000; i++) {
        values[i] = i + 1;
    }
    KG_CHECK(t, kg_percentile(values, 1000, 500) == 500);
    KG_CHECK(t, kg_percentile(values, 1000, 990) == 990);
    KG_CHECK(t, kg_percentile(values, 1000, 999) == 999);
    KG_CHECK(t, kg_percentile(values, 1000, 1000) == 1000);
    KG_CHECK(t, kg_percentile(values, 1000, 0) == 1);
    KG_CHECK(t, kg_percentile(values, 10, 990) == 10); /* of few values the largest */
    KG_CHECK(t, kg_percentile(values, 3, 500) == 2);
    KG_CHECK(t, kg_percentile(values, 1, 500) == 1);
    KG_CHECK(t, kg_percentile(values, 0, 500) == 0);
}

KG_TEST(jitter, summary_of_unsorted_durations)
{
    struct kg_summary summary;
    uint64_t durations[] = {100, 99, 6000, 101, 100, 89, 100, 103, 500, 100};
    kg_summary_make(&summary, durations, 10);
    KG_CHECK(t, summary.n == 10 && summary.min == 89 && summary.p50 == 100 && summary.p99 == 6000);
    KG_CHECK(t, summary.p999 == 6000 && summary.max == 6000);
    for (size_t i = 1; i < 10; i++) {
        KG_CHECK(t, durations[i - 1] <= durations[i]);
    }
    static const uint64_t expected[KG_JITTER_BARS] = {1, 0, 0, 1, 5, 0, 1, 0, 0, 0, 1, 1};
    for (size_t i = 0; i < KG_JITTER_BARS; i++) {
        KG_CHECK(t, summary.counts[i] == expected[i]);
    }
    kg_summary_make(&summary, durations, 0);
    KG_CHECK(t, summary.n == 0 && summary.p50 == 0 && summary.max == 0);
}

KG_TEST(jitter, a_median_of_many_clock_ticks_does_not_overflow)
{
    struct kg_summary summary;
    uint64_t hour = 3600ull * 4000000000u, durations[] = {hour, hour, 6 * hour};
    kg_summary_make(&summary, durations, 3);
    KG_CHECK(t, summary.counts[4] == 2 && summary.counts[KG_JITTER_BARS - 1] == 1);
}

/* Percentiles and a histogram of durations: see summary.h. */
#include "summary.h"

#include "kgpt/mem.h"

const uint64_t kg_jitter_bounds[KG_JITTER_BOUNDS] = {900, 950, 980, 990, 1010, 1020, 1050, 1100, 1250, 2000, 5000};

uint64_t kg_percentile(const uint64_t *ascending, size_t n, uint32_t thousandths)
{
    size_t rank = ((uint64_t)n * thousandths + 999) / 1000; /* from 1 */
    return n ? ascending[rank ? rank - 1 : 0] : 0;
}

/* Moves the value at the root `at` of a heap of `n` values down to its place. */
static void sift_duration(uint64_t *heap, size_t at, size_t n)
{
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1] > heap[child]) {
            child++;
        }
        if (heap[at] >= heap[child]) {
            return;
        }
        uint64_t value = heap[at];
        heap[at] = heap[child];
        heap[child] = value;
    }
}

/* Heapsort: in place, O(n log n) in the worst case. */
static void sort_durations(uint64_t *durations, size_t n)
{
    for (size_t i = n / 2; i > 0; i--) {
        sift_duration(durations, i - 1, n);
    }
    for (size_t end = n; end > 1; end--) {
        uint64_t largest = durations[0];
        durations[0] = durations[end - 1];
        durations[end - 1] = largest;
        sift_duration(durations, 0, end - 1);
    }
}

static size_t bar_of(uint64_t duration, uint64_t median)
{
    size_t bar = 0;
    while (bar < KG_JITTER_BOUNDS && duration > median * kg_jitter_bounds[bar] / 1000) {
        bar++;
    }
    return bar;
}

void kg_summary_make(struct kg_summary *summary, uint64_t *durations, size_t n)
{
    memset(summary, 0, sizeof *summary);
    sort_durations(durations, n);
    summary->n = n;
    summary->min = n ? durations[0] : 0;
    summary->p50 = kg_percentile(durations, n, 500);
    summary->p99 = kg_percentile(durations, n, 990);
    summary->p999 = kg_percentile(durations, n, 999);
    summary->max = n ? durations[n - 1] : 0;
    for (size_t i = 0; i < n; i++) {
        summary->counts[bar_of(durations[i], summary->p50)]++;
    }
}

/* bandwidth THREADS BYTES PASSES VECTOR PAGES: the highest rate at which the threads read memory, in bytes a second.
 *
 * Each thread reads its own part of one buffer by vector loads (VECTOR: sse2, avx2 or avx512) and adds what it read,
 * so that no load can be left out. PAGES is huge (madvise) or small. The rate depends on how a loop walks: one stream
 * or several side by side, with prefetches or without. All such loops run, and the best one counts. */
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define STEP 512u /* bytes that a stream reads before the next stream's turn */
#define MOST_THREADS 256

typedef uint64_t read_fn(const uint8_t *part, size_t size, unsigned streams, size_t ahead);

struct reader {
    pthread_t thread;
    const uint8_t *part;
    size_t size;
    uint64_t sum;
};

static struct {
    read_fn *read;
    pthread_barrier_t barrier;
    unsigned streams;
    size_t ahead;
    unsigned passes, threads;
    uint8_t *buffer;
    struct reader readers[MOST_THREADS];
} run;

#define DEFINE_READ(name, features, vector, load, add, width)                                                  \
    __attribute__((target(features))) static uint64_t name(const uint8_t *part, size_t size, unsigned streams, \
                                                           size_t ahead)                                       \
    {                                                                                                          \
        vector sums[STEP / (width)];                                                                           \
        memset(sums, 0, sizeof sums);                                                                          \
        size_t length = size / streams;                                                                        \
        for (size_t at = 0; at + STEP <= length; at += STEP) {                                                 \
            for (unsigned s = 0; s < streams; s++) {                                                           \
                const uint8_t *from = part + s * length + at;                                                  \
                for (size_t i = 0; ahead && i < STEP; i += 64) {                                               \
                    _mm_prefetch((const char *)(from + ahead + i), _MM_HINT_T0);                               \
                }                                                                                              \
                _Pragma("clang loop unroll(full)") for (size_t i = 0; i < STEP / (width); i++)                 \
                {                                                                                              \
                    sums[i] = add(sums[i], load((const void *)(from + i * (width))));                          \
                }                                                                                              \
            }                                                                                                  \
        }                                                                                                      \
        uint64_t words[STEP / 8], sum = 0;                                                                     \
        memcpy(words, sums, sizeof words);                                                                     \
        for (size_t i = 0; i < STEP / 8; i++) {                                                                \
            sum += words[i];                                                                                   \
        }                                                                                                      \
        return sum;                                                                                            \
    }

DEFINE_READ(read_sse2, "sse2", __m128i, _mm_load_si128, _mm_add_epi64, 16)
DEFINE_READ(read_avx2, "avx2", __m256i, _mm256_load_si256, _mm256_add_epi64, 32)
DEFINE_READ(read_avx512, "avx512f", __m512i, _mm512_load_si512, _mm512_add_epi64, 64)

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void *read_passes(void *context)
{
    struct reader *reader = context;
    for (unsigned pass = 0; pass < run.passes; pass++) {
        pthread_barrier_wait(&run.barrier);
        reader->sum += run.read(reader->part, reader->size, run.streams, run.ahead);
        pthread_barrier_wait(&run.barrier);
    }
    return NULL;
}

/* The shortest time of a pass over the whole buffer; the caller is the first reader. */
static double best_seconds(void)
{
    double best = 1e9;
    pthread_barrier_init(&run.barrier, NULL, run.threads);
    for (unsigned i = 1; i < run.threads; i++) {
        pthread_create(&run.readers[i].thread, NULL, read_passes, &run.readers[i]);
    }
    for (unsigned pass = 0; pass < run.passes; pass++) {
        pthread_barrier_wait(&run.barrier);
        double start = seconds_now();
        run.readers[0].sum += run.read(run.readers[0].part, run.readers[0].size, run.streams, run.ahead);
        pthread_barrier_wait(&run.barrier);
        double seconds = seconds_now() - start;
        best = seconds < best ? seconds : best;
    }
    for (unsigned i = 1; i < run.threads; i++) {
        pthread_join(run.readers[i].thread, NULL);
    }
    pthread_barrier_destroy(&run.barrier);
    return best;
}

static void *fill_part(void *context)
{
    struct reader *reader = context;
    memset((void *)(uintptr_t)reader->part, 1, reader->size); /* the first touch places the pages near this thread */
    return NULL;
}

static void map_buffer(size_t size, int huge)
{
    const size_t align = (size_t)2 << 20;
    uint8_t *memory = mmap(NULL, size + align, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        perror("bandwidth: mmap");
        exit(1);
    }
    run.buffer = memory + (-(uintptr_t)memory & (align - 1));
    madvise(run.buffer, size, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    size_t part = size / run.threads / align * align;
    for (unsigned i = 0; i < run.threads; i++) {
        run.readers[i] = (struct reader){.part = run.buffer + i * part, .size = part};
        pthread_create(&run.readers[i].thread, NULL, fill_part, &run.readers[i]);
        pthread_join(run.readers[i].thread, NULL);
    }
}

int main(int argc, char **argv)
{
    static const unsigned streams[] = {1, 2, 4, 8};
    static const size_t aheads[] = {0, 1024, 4096};
    if (argc != 6) {
        fputs("usage: bandwidth THREADS BYTES PASSES sse2|avx2|avx512 huge|small\n", stderr);
        return 2;
    }
    run.threads = (unsigned)atoi(argv[1]);
    run.threads = run.threads < MOST_THREADS ? run.threads : MOST_THREADS;
    run.passes = (unsigned)atoi(argv[3]);
    run.read = strcmp(argv[4], "avx512") == 0 ? read_avx512 : strcmp(argv[4], "avx2") == 0 ? read_avx2 : read_sse2;
    map_buffer(strtoul(argv[2], NULL, 10), strcmp(argv[5], "huge") == 0);
    double best = 0;
    for (size_t s = 0; s < sizeof streams / sizeof streams[0]; s++) {
        for (size_t a = 0; a < sizeof aheads / sizeof aheads[0]; a++) {
            run.streams = streams[s];
            run.ahead = aheads[a];
            double rate = (double)run.readers[0].size * run.threads / best_seconds();
            fprintf(stderr, "%u streams, %zu bytes ahead: %.2f GB/s\n", run.streams, run.ahead, rate / 1e9);
            best = rate > best ? rate : best;
        }
    }
    uint64_t sum = 0;
    for (unsigned i = 0; i < run.threads; i++) {
        sum += run.readers[i].sum;
    }
    printf("%.0f %lu\n", best, (unsigned long)(sum & 1)); /* the sum is used, so the loads stay */
    return 0;
}

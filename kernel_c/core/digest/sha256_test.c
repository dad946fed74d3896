#include "kgpt/cpu.h"
#include "kgpt/mem.h"
#include "kgpt/sha256.h"
#include "kgpt/test.h"

#define COUNT 300

/* The first bytes of the digest as a number. */
static uint64_t digest_prefix(const char *text, size_t n, uint32_t features)
{
    uint8_t digest[KG_SHA256_SIZE];
    uint64_t number = 0;
    kg_sha256(text, n, features, digest);
    for (size_t i = 0; i < 8; i++) {
        number = number << 8 | digest[i];
    }
    return number;
}

/* Examples of FIPS 180-4 ("SHA256.pdf"), and the empty text. */
KG_TEST(sha256, examples)
{
    KG_CHECK_EQ(t, digest_prefix("", 0, 0), 0xe3b0c44298fc1c14);
    KG_CHECK_EQ(t, digest_prefix("abc", 3, 0), 0xba7816bf8f01cfea);
    KG_CHECK_EQ(t, digest_prefix("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56, 0),
                0x248d6a61d20638b8);
}

KG_TEST(sha256, pieces_of_any_size)
{
    static char text[COUNT];
    uint8_t whole[KG_SHA256_SIZE], pieces[KG_SHA256_SIZE];
    for (size_t i = 0; i < COUNT; i++) {
        text[i] = (char)(i * 7);
    }
    kg_sha256(text, COUNT, 0, whole);
    for (size_t step = 1; step < COUNT; step++) {
        struct kg_sha256 s;
        kg_sha256_begin(&s, 0);
        for (size_t at = 0; at < COUNT; at += step) {
            kg_sha256_add(&s, text + at, COUNT - at < step ? COUNT - at : step);
        }
        kg_sha256_end(&s, pieces);
        if (memcmp(whole, pieces, sizeof whole) != 0) {
            KG_CHECK_EQ(t, step, 0);
        }
    }
}

struct told {
    size_t done;
    uint32_t calls;
};

static void count_call(void *context, size_t done)
{
    struct told *told = context;
    told->calls += done > told->done;
    told->done = done;
}

KG_TEST(sha256, tells_how_far_it_is)
{
    struct told told = {0};
    uint8_t digest[KG_SHA256_SIZE];
    static const char zeros[256];
    kg_sha256_telling(zeros, sizeof zeros, 0, digest, count_call, &told);
    KG_CHECK_EQ(t, told.done, sizeof zeros);
    KG_CHECK_EQ(t, told.calls, 1);
}

KG_TEST(sha256, instructions_give_the_same)
{
    struct kg_cpu cpu;
    char bytes[COUNT];
    uint8_t plain[KG_SHA256_SIZE], quick[KG_SHA256_SIZE];
    kg_cpu_detect(&cpu);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i * i + 7);
    }
    for (size_t n = 0; n <= sizeof bytes; n += 5) {
        kg_sha256(bytes, n, 0, plain);
        kg_sha256(bytes, n, cpu.features, quick);
        KG_CHECK(t, memcmp(plain, quick, sizeof plain) == 0);
    }
}

#include "keys.h"
#include "kgpt/format.h"
#include "kgpt/mem.h"
#include "kgpt/random.h"
#include "kgpt/test.h"

/* Parses `text` into a new config. */
static enum kg_status parse(struct kg_config *config, const char *text, struct kg_error *error)
{
    kg_config_defaults(config);
    return kg_cmdline_parse(config, text, error);
}

KG_TEST(cmdline, defaults)
{
    struct kg_config config;
    struct kg_error error;
    KG_CHECK_EQ(t, parse(&config, "", &error), KG_OK);
    KG_CHECK(t, config.mode == KG_MODE_GENERATE && config.samples == 20 && config.max_tokens == 0);
    KG_CHECK(t, config.seed == 42 && !config.seed_random && !config.exit && !config.logits);
    KG_CHECK(t, config.sampling.temperature == 0.5f && config.sampling.top_p == 1 && config.sampling.min_p == 0);
    KG_CHECK_EQ(t, config.cpumask, KG_ISA_ALL);
}

KG_TEST(cmdline, every_key)
{
    struct kg_config config;
    struct kg_error error;
    KG_CHECK_EQ(t,
                parse(&config,
                      "mode=selftest prompt=ab samples=3 max_tokens=4 seed=18446744073709551615 temperature=0 top_k=5 "
                      "top_p=0.9 min_p=.05 cpumask=avx2 exit logits test=format fault=ud",
                      &error),
                KG_OK);
    KG_CHECK(t, config.mode == KG_MODE_SELFTEST && config.samples == 3 && config.max_tokens == 4);
    KG_CHECK_TEXT(t, config.prompt, "ab");
    KG_CHECK_EQ(t, config.seed, UINT64_MAX);
    KG_CHECK(t, config.sampling.temperature == 0 && config.sampling.top_k == 5);
    KG_CHECK(t, config.sampling.top_p == 0.9f && config.sampling.min_p == 0.05f);
    KG_CHECK(t, config.cpumask == KG_ISA_AVX2 && config.exit && config.logits);
    KG_CHECK_TEXT(t, config.test, "format");
    KG_CHECK_TEXT(t, config.fault, "ud");
}

KG_TEST(cmdline, quotes_and_escapes)
{
    struct kg_config config;
    struct kg_error error;
    KG_CHECK_EQ(t, parse(&config, "  prompt=\"a b\\\"\\\\\\n=\"   samples=2 ", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "a b\"\\\n=");
    KG_CHECK_EQ(t, config.samples, 2);
    KG_CHECK_EQ(t, parse(&config, "prompt=\"\"", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "");
    KG_CHECK_EQ(t, parse(&config, "prompt=a=b", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "a=b");
}

/* GRUB's form of prompt=a b, of prompt="a b\"\n", of prompt=it's\, and of words without a space but with quotes. */
KG_TEST(cmdline, as_grub_hands_it_on)
{
    struct kg_config config;
    struct kg_error error;
    KG_CHECK_EQ(t, parse(&config, "\"prompt=a b\" samples=2", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "a b");
    KG_CHECK_EQ(t, config.samples, 2);
    KG_CHECK_EQ(t, parse(&config, "exit \"prompt=\\\"a b\\\\\\\"\\\\n\\\"\"", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "a b\"\n");
    KG_CHECK_EQ(t, parse(&config, "prompt=it\\'s\\\\", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "it's\\");
    KG_CHECK_EQ(t, parse(&config, "prompt=\\\"a\\\\tb\\\" exit", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "a\tb");
    KG_CHECK_EQ(t, parse(&config, "prompt=\\\"\\\\\\x41\\\"", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "\\x41");
    KG_CHECK_EQ(t, parse(&config, "prompt=a\\nb", &error), KG_OK);
    KG_CHECK_TEXT(t, config.prompt, "a\\nb");
    KG_CHECK_EQ(t, parse(&config, "\"prompt=a b\"c", &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "the value of prompt is not quoted properly");
    KG_CHECK_EQ(t, parse(&config, "\"exit", &error), KG_E_INPUT);
    KG_CHECK_EQ(t, parse(&config, "\"\"", &error), KG_E_INPUT);
}

KG_TEST(cmdline, later_wins)
{
    struct kg_config config;
    struct kg_error error;
    KG_CHECK_EQ(t, parse(&config, "seed=random samples=2", &error), KG_OK);
    KG_CHECK(t, config.seed_random);
    KG_CHECK_EQ(t, kg_cmdline_parse(&config, "seed=7", &error), KG_OK);
    KG_CHECK(t, !config.seed_random && config.seed == 7 && config.samples == 2);
}

KG_TEST(cmdline, names_the_unknown_key)
{
    struct kg_config config;
    struct kg_error error;
    KG_CHECK_EQ(t, parse(&config, "exit temprature=1", &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "unknown key \"temprature\" on the command line");
    KG_CHECK_TEXT(t, error.hint, "did you mean \"temperature\"?");
    KG_CHECK_EQ(t, parse(&config, "xyzzy", &error), KG_E_INPUT);
    KG_CHECK(t, kg_str_starts(error.hint, "known keys: mode, exit, test, prompt, samples"));
    KG_CHECK_EQ(t, parse(&config, "=5", &error), KG_E_INPUT);
    KG_CHECK_EQ(t, parse(&config, "a_key_that_is_longer_than_any_key_could_be=1", &error), KG_E_INPUT);
}

KG_TEST(cmdline, refuses_wrong_values)
{
    static const char *const wrong[] = {
        "mode=",          "mode=fly",   "mode",         "samples=0",     "samples=1000001",  "samples=-1",
        "samples=two",    "seed=",      "seed=0x",      "seed=-1",       "temperature=101",  "temperature=hot",
        "temperature=-1", "top_p=0",    "top_p=1.01",   "min_p=2",       "top_k=4294967296", "cpumask=sse",
        "exit=1",         "logits=yes", "fault=coffee", "prompt=\"open", "prompt=\"a\"b",    "prompt=\"\\x\"",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct kg_config config;
        struct kg_error error = {{0}, {0}};
        if (parse(&config, wrong[i], &error) != KG_E_INPUT || !error.message[0] || !error.hint[0]) {
            kg_test_fail(t, __LINE__, "%s: \"%s\", \"%s\"", wrong[i], error.message, error.hint);
            return;
        }
    }
}

KG_TEST(cmdline, says_what_is_possible)
{
    struct kg_config config;
    struct kg_error error;
    parse(&config, "top_p=0", &error);
    KG_CHECK_TEXT(t, error.message, "top_p=0 is not possible");
    KG_CHECK_TEXT(t, error.hint, "top_p is a number above 0 and at most 1");
    parse(&config, "samples=0", &error);
    KG_CHECK_TEXT(t, error.hint, "samples is a whole number from 1 to 1000000");
    parse(&config, "cpumask=sse", &error);
    KG_CHECK_TEXT(t, error.hint, "cpumask is one of c, avx2, avx512, avxvnni, avx512vnni, neon, dotprod, i8mm, all");
}

KG_TEST(cmdline, a_line_that_is_too_long_is_refused)
{
    struct kg_config *config = kg_arena_take(t->arena, sizeof *config);
    char *text = kg_arena_take(t->arena, KG_CMDLINE_MAX + 2);
    struct kg_error error;
    memset(text, 'a', KG_CMDLINE_MAX);
    memcpy(text, "prompt=", 7);
    KG_CHECK_EQ(t, parse(config, text, &error), KG_OK);
    KG_CHECK_EQ(t, kg_strlen(config->prompt), KG_CMDLINE_MAX - 7);
    text[KG_CMDLINE_MAX] = 'a';
    KG_CHECK_EQ(t, parse(config, text, &error), KG_E_INPUT);
}

KG_TEST(cmdline, a_wrong_value_changes_nothing)
{
    struct kg_config config, before;
    struct kg_error error;
    KG_CHECK_EQ(t, parse(&config, "seed=random top_p=0.5", &error), KG_OK);
    memcpy(&before, &config, sizeof config);
    KG_CHECK_EQ(t, kg_config_set(&config, "seed", "4x", &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_config_set(&config, "top_p", "2", &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_config_set(&config, "cpumask", "sse", &error), KG_E_INPUT);
    KG_CHECK(t, memcmp(&before, &config, sizeof config) == 0);
}

KG_TEST(cmdline, any_text_is_survived)
{
    static const char *const pieces[] = {"prompt", "samples", "seed",  "=",    "\"",     "\\",
                                         " ",      "1",       "0x",    ".",    "e9",     "\xC3\xA9",
                                         "exit",   "\t",      "top_p", "\x80", "random", "mode"};
    struct kg_config *config = kg_arena_take(t->arena, sizeof *config);
    struct kg_random random;
    kg_random_seed(&random, 1, 0);
    for (int i = 0; i < 2000; i++) {
        char text[128];
        size_t n = 0;
        for (uint64_t left = kg_random_next(&random) % 12; left > 0; left--) {
            uint64_t word = kg_random_next(&random);
            n += kg_format(text + n, sizeof text - n, "%s", pieces[word % (sizeof pieces / sizeof pieces[0])]);
        }
        text[n] = '\0';
        struct kg_error error = {{0}, {0}};
        enum kg_status status = parse(config, text, &error);
        KG_CHECK(t, (status == KG_OK) == (error.message[0] == '\0'));
        KG_CHECK(t, config->samples >= 1 && config->samples <= 1000000);
        KG_CHECK(t, config->sampling.top_p > 0 && config->sampling.top_p <= 1);
    }
}

KG_TEST(cmdline, set_changes_only_what_a_shell_may)
{
    struct kg_config config;
    struct kg_error error;
    kg_config_defaults(&config);
    KG_CHECK_EQ(t, kg_config_set(&config, "top_k", "9", &error), KG_OK);
    KG_CHECK_EQ(t, config.sampling.top_k, 9);
    KG_CHECK_EQ(t, kg_config_set(&config, "mode", "shell", &error), KG_E_INPUT);
    KG_CHECK_EQ(t, kg_config_set(&config, "fault", "ud", &error), KG_E_INPUT);
    KG_CHECK_TEXT(t, error.message, "unknown key \"fault\"");
}

KG_TEST(cmdline, describes_what_can_be_set)
{
    struct kg_config config;
    char value[32];
    kg_config_defaults(&config);
    KG_CHECK_TEXT(t, kg_config_describe(&config, 0, value, sizeof value), "prompt");
    KG_CHECK_TEXT(t, value, "\"\"");
    KG_CHECK_TEXT(t, kg_config_describe(&config, 4, value, sizeof value), "temperature");
    KG_CHECK_TEXT(t, value, "0.500");
    KG_CHECK_TEXT(t, kg_config_describe(&config, 8, value, sizeof value), "cpumask");
    KG_CHECK_TEXT(t, value, "all");
    uint32_t n = 9; /* then the keys of this kernel's engine */
    while (kg_config_describe(&config, n, value, sizeof value)) {
        n++;
    }
    uint32_t added = 0;
    while (kg_engine_keys[added].name) {
        added++;
    }
    KG_CHECK(t, n <= 9 + added);
}

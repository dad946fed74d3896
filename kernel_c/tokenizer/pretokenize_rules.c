/* Pre-tokenizers by the names in GGUF files (see pretokenize.h). Each implements llama.cpp's regular expressions in
 * their order, also where llama.cpp differs from the model's own. */
#include "kgpt/mem.h"
#include "kgpt/str.h"
#include "kgpt/vocab.h"
#include "pretokenize.h"

#define BIT(class) (1u << (class))
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Sets */

static const struct kg_set blank = {.ascii = " "};
static const struct kg_set white = {.classes = BIT(KG_SPACE)};
static const struct kg_set letters = {.classes = BIT(KG_LETTER)};
static const struct kg_set marked = {.classes = BIT(KG_LETTER) | BIT(KG_MARK)};
static const struct kg_set numbers = {.classes = BIT(KG_NUMBER)};
static const struct kg_set digits = {.ascii = "0123456789"};
static const struct kg_set punctuation = {.classes = BIT(KG_PUNCTUATION)};
static const struct kg_set signs = {.classes = BIT(KG_PUNCTUATION) | BIT(KG_SYMBOL)};
static const struct kg_set breaks = {.ascii = "\r\n"};
static const struct kg_set breaks_slash = {.ascii = "\r\n/"};
static const struct kg_set ascii_letters = {.ascii = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"};
static const struct kg_set ascii_signs = {.ascii = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"};

/* No letters, numbers or spaces; some sets also exclude marks or line breaks. */
static const struct kg_set other = {.others = true, .classes = BIT(KG_SPACE) | BIT(KG_LETTER) | BIT(KG_NUMBER)};
static const struct kg_set other_unmarked = {.others = true,
                                             .classes = BIT(KG_SPACE) | BIT(KG_LETTER) | BIT(KG_NUMBER) | BIT(KG_MARK)};

/* Characters that may precede the letters of a word. */
static const struct kg_set lead = {.others = true, .classes = BIT(KG_LETTER) | BIT(KG_NUMBER), .ascii = "\r\n"};
static const struct kg_set lead_unsigned = {
    .others = true, .classes = BIT(KG_LETTER) | BIT(KG_PUNCTUATION) | BIT(KG_SYMBOL), .ascii = "\r\n"};

static const struct kg_set falcon_signs = {.classes = BIT(KG_PUNCTUATION), .ascii = "$+<=>^~|`"};
static const struct kg_set default_signs = {.classes = BIT(KG_PUNCTUATION), .ascii = "$+<=>^~|"};

static const uint32_t sentence_signs[][2] = {
    {0x2026, 0x2026}, {0x3001, 0x3002}, {0xFF0C, 0xFF0C}, {0x0964, 0x0964}, {0x06D4, 0x06D4}, {0x060C, 0x060C}, {0, 0}};
static const struct kg_set no_sentence = {
    .others = true, .classes = BIT(KG_SPACE), .ascii = "(|.,!?)", .ranges = sentence_signs};

/* Letters with case, as DeepSeek lists them. */
static const uint32_t cased_ranges[][2] = {
    {0x0041, 0x005A},   {0x0061, 0x007A},   {0x00B5, 0x00B5},   {0x00C0, 0x00D6},   {0x00D8, 0x00F6},
    {0x00F8, 0x01BA},   {0x01BC, 0x01BF},   {0x01C4, 0x0293},   {0x0295, 0x02AF},   {0x0370, 0x0373},
    {0x0376, 0x0377},   {0x037B, 0x037D},   {0x037F, 0x037F},   {0x0386, 0x0386},   {0x0388, 0x038A},
    {0x038C, 0x038C},   {0x038E, 0x03A1},   {0x03A3, 0x03F5},   {0x03F7, 0x0481},   {0x048A, 0x052F},
    {0x0531, 0x0556},   {0x10A0, 0x10C5},   {0x13A0, 0x13F5},   {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},
    {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},   {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},
    {0x1F18, 0x1F1D},   {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},   {0x1FB6, 0x1FBC},
    {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},   {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},
    {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},   {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},
    {0x210A, 0x2113},   {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},   {0x213C, 0x213F},
    {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},
    {0x2CEB, 0x2CEE},   {0x2CF2, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},   {0xA722, 0xA76F},
    {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},   {0xFB00, 0xFB06},   {0xFB13, 0xFB17},
    {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},   {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB},
    {0x10C80, 0x10CB2}, {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943}, {0, 0}};
static const struct kg_set deepseek_letters = {.ranges = cased_ranges};

static const uint32_t deepseek_sign_ranges[][2] = {
    {0x0021, 0x002F}, {0x003A, 0x007E}, {0xFF01, 0xFF0F}, {0xFF1A, 0xFF5E}, {0x2018, 0x201F}, {0x3000, 0x3002}, {0, 0}};
static const struct kg_set deepseek_signs = {.ranges = deepseek_sign_ranges};

static const uint32_t asian_ranges[][2] = {{0x0800, 0x9FA5}, {0xAC00, 0xD7FF}, {0, 0}};
static const struct kg_set asian = {.ranges = asian_ranges};

static const uint32_t han_kana_ranges[][2] = {{0x4E00, 0x9FA5}, {0x3040, 0x30FF}, {0, 0}};
static const struct kg_set han_kana = {.ranges = han_kana_ranges};

static const uint32_t afmoe_ranges[][2] = {{0x4E00, 0x9FFF}, {0x3400, 0x4DBF},
                                           {0x8C48, 0xFAFF}, {0x3040, 0x30FF},
                                           {0xFF65, 0xFF9F}, {0x2F00, 0x2FDF},
                                           {0x0E40, 0x0EFF}, {0x1780, 0x17FF},
                                           {0x1000, 0x109F}, {0xAA60, 0xAA7F},
                                           {0xA9E0, 0xA9FF}, {0xAC00, 0xD7AF},
                                           {0x1100, 0x11FF}, {0, 0}};
static const struct kg_set afmoe_scripts = {.ranges = afmoe_ranges};

static const uint32_t hangul_ranges[][2] = {{0xAC00, 0xD7A3}, {0x3131, 0x318E}, {0, 0}};
static const struct kg_set hangul = {.ranges = hangul_ranges};
static const uint32_t youtu_sign_ranges[][2] = {
    {0xFF01, 0xFF01}, {0x2026, 0x2026}, {0x201C, 0x201D}, {0x2018, 0x2019}, {0x2014, 0x2014},
    {0xFF1A, 0xFF1B}, {0xFF0C, 0xFF0C}, {0x3001, 0x303F}, {0xFE30, 0xFE4F}, {0, 0}};
static const struct kg_set youtu_signs = {.ranges = youtu_sign_ranges};
static const uint32_t bopomofo_ranges[][2] = {{0x3105, 0x312F}, {0, 0}};
static const struct kg_set bopomofo = {.ranges = bopomofo_ranges};

/* Steps */

#define END {.kind = KG_STEP_END}
#define CONTRACTION {.kind = KG_STEP_CONTRACTION}
#define CONTRACTION_ANY_CASE {.kind = KG_STEP_CONTRACTION, .flags = KG_STEP_ANY_CASE}
#define RUN(set) {.kind = KG_STEP_WORD, .body = &(set)}
#define UP_TO(count, set) {.kind = KG_STEP_WORD, .body = &(set), .most = (count)}
#define ONE(set) UP_TO(1, set)
#define AFTER(lead_set, set) {.kind = KG_STEP_WORD, .before = &(lead_set), .body = &(set)}
#define AFTER_UNTIL(lead_set, set, tail) {.kind = KG_STEP_WORD, .before = &(lead_set), .body = &(set), .after = &(tail)}
#define AFTER_CONTRACTED(lead_set, set) \
    {.kind = KG_STEP_WORD, .flags = KG_STEP_CONTRACTED, .before = &(lead_set), .body = &(set)}
#define MUST_AFTER(lead_set, set) \
    {.kind = KG_STEP_WORD, .flags = KG_STEP_MUST_BEFORE, .before = &(lead_set), .body = &(set)}
#define CASED(set, contracted)                                                           \
    {.kind = KG_STEP_CASED, .flags = (contracted), .before = &lead, .body = &(set)},     \
    {                                                                                    \
        .kind = KG_STEP_CAPITALS, .flags = (contracted), .before = &lead, .body = &(set) \
    }
#define LINES {.kind = KG_STEP_LINES}
#define SPACES {.kind = KG_STEP_SPACES}
#define SPACES_TWICE {.kind = KG_STEP_SPACES_TWICE}

static const struct kg_step gpt2_steps[] = {
    CONTRACTION, AFTER(blank, letters), AFTER(blank, numbers), AFTER(blank, other), SPACES, END};
static const struct kg_step each_number[] = {ONE(numbers), END};
static const struct kg_step three_numbers[] = {UP_TO(3, numbers), END};
static const struct kg_step all_numbers[] = {RUN(numbers), END};
static const struct kg_step three_digits[] = {{.kind = KG_STEP_WORD, .body = &digits, .least = 3, .most = 3}, END};
static const struct kg_step each_break[] = {ONE(breaks), END};

static const struct kg_step llama3_steps[] = {CONTRACTION_ANY_CASE,
                                              AFTER(lead, letters),
                                              UP_TO(3, numbers),
                                              AFTER_UNTIL(blank, other, breaks),
                                              LINES,
                                              SPACES,
                                              RUN(white),
                                              END};
static const struct kg_step jais2_steps[] = {CONTRACTION_ANY_CASE,
                                             AFTER(lead, letters),
                                             UP_TO(3, numbers),
                                             AFTER_UNTIL(blank, other, breaks),
                                             LINES,
                                             SPACES_TWICE,
                                             ONE(white),
                                             END};
static const struct kg_step qwen2_steps[] = {CONTRACTION_ANY_CASE,
                                             AFTER(lead, letters),
                                             ONE(numbers),
                                             AFTER_UNTIL(blank, other, breaks),
                                             LINES,
                                             SPACES,
                                             RUN(white),
                                             END};
static const struct kg_step qwen35_steps[] = {CONTRACTION_ANY_CASE,
                                              AFTER(lead, marked),
                                              ONE(numbers),
                                              AFTER_UNTIL(blank, other_unmarked, breaks),
                                              LINES,
                                              SPACES,
                                              RUN(white),
                                              END};
static const struct kg_step ufakzeka_steps[] = {
    AFTER(lead, letters), ONE(numbers), AFTER_UNTIL(blank, other, breaks), LINES, SPACES, RUN(white), END};
static const struct kg_step seed_steps[] = {
    CONTRACTION_ANY_CASE, AFTER(lead, letters), ONE(numbers), AFTER(blank, other), LINES, SPACES, RUN(white), END};
static const struct kg_step minicpm_steps[] = {CONTRACTION_ANY_CASE,
                                               AFTER(lead, letters),
                                               RUN(numbers),
                                               AFTER_UNTIL(blank, other, breaks),
                                               LINES,
                                               SPACES,
                                               RUN(white),
                                               END};

static const struct kg_step gpt4o_steps[] = {CASED(letters, KG_STEP_CONTRACTED),
                                             UP_TO(3, numbers),
                                             AFTER_UNTIL(blank, other, breaks_slash),
                                             LINES,
                                             SPACES,
                                             RUN(white),
                                             END};
static const struct kg_step granite_steps[] = {CASED(marked, KG_STEP_CONTRACTED),
                                               UP_TO(3, numbers),
                                               AFTER_UNTIL(blank, other, breaks_slash),
                                               LINES,
                                               SPACES,
                                               RUN(white),
                                               END};
static const struct kg_step tekken_steps[] = {
    CASED(letters, 0), ONE(numbers), AFTER_UNTIL(blank, other, breaks_slash), LINES, SPACES, RUN(white), END};
static const struct kg_step aya_steps[] = {AFTER_CONTRACTED(lead, marked),
                                           UP_TO(3, numbers),
                                           AFTER_UNTIL(blank, other, breaks_slash),
                                           LINES,
                                           SPACES,
                                           RUN(white),
                                           END};
static const struct kg_step youtu_scripts[] = {RUN(hangul), RUN(youtu_signs), RUN(bopomofo), RUN(han_kana), END};
static const struct kg_step youtu_steps[] = {AFTER_CONTRACTED(lead, marked),
                                             ONE(numbers),
                                             AFTER_UNTIL(blank, other, breaks_slash),
                                             LINES,
                                             SPACES,
                                             RUN(white),
                                             END};

static const struct kg_step deepseek_words[] = {AFTER(white, deepseek_letters), END};
static const struct kg_step deepseek_punctuation[] = {AFTER(white, deepseek_signs), END};
static const struct kg_step asian_words[] = {RUN(asian), END};
static const struct kg_step coder_words[] = {AFTER(white, letters), END};
static const struct kg_step coder_punctuation[] = {AFTER(white, punctuation), END};
static const struct kg_step han_kana_words[] = {RUN(han_kana), END};
static const struct kg_step deepseek3_steps[] = {MUST_AFTER(ascii_signs, ascii_letters),
                                                 AFTER(lead_unsigned, marked),
                                                 AFTER_UNTIL(blank, signs, breaks),
                                                 LINES,
                                                 SPACES,
                                                 RUN(white),
                                                 END};
static const struct kg_step spark_steps[] = {MUST_AFTER(ascii_signs, ascii_letters),
                                             AFTER(lead_unsigned, marked),
                                             AFTER(blank, signs),
                                             ONE(breaks),
                                             SPACES,
                                             RUN(white),
                                             END};
static const struct kg_step afmoe_words[] = {RUN(afmoe_scripts), END};

static const struct kg_step falcon_punctuation[] = {RUN(falcon_signs), END};
static const struct kg_step default_punctuation[] = {RUN(default_signs), END};
static const struct kg_step sentence_words[] = {AFTER(blank, no_sentence), END};

/* Passes */

#define STEPS(list) {.kind = KG_PASS_STEPS, .steps = (list)}
#define PASS(what) {.kind = KG_PASS_##what}

static const struct kg_pass gpt2[] = {STEPS(gpt2_steps), PASS(END)};
static const struct kg_pass smollm[] = {STEPS(each_number), STEPS(gpt2_steps), PASS(END)};
static const struct kg_pass falcon[] = {STEPS(falcon_punctuation), STEPS(gpt2_steps), STEPS(three_digits), PASS(END)};
static const struct kg_pass plain[] = {STEPS(default_punctuation), STEPS(gpt2_steps), STEPS(all_numbers),
                                       STEPS(three_digits), PASS(END)};
static const struct kg_pass llama3[] = {STEPS(llama3_steps), PASS(END)};
static const struct kg_pass jais2[] = {STEPS(jais2_steps), PASS(END)};
static const struct kg_pass qwen2[] = {STEPS(qwen2_steps), PASS(END)};
static const struct kg_pass qwen35[] = {STEPS(qwen35_steps), PASS(END)};
static const struct kg_pass ufakzeka[] = {STEPS(ufakzeka_steps), PASS(END)};
static const struct kg_pass seed[] = {STEPS(seed_steps), PASS(END)};
static const struct kg_pass laguna[] = {PASS(LINES), STEPS(qwen2_steps), PASS(END)};
static const struct kg_pass minicpm[] = {STEPS(three_numbers), STEPS(minicpm_steps), PASS(END)};
static const struct kg_pass gpt4o[] = {STEPS(gpt4o_steps), PASS(END)};
static const struct kg_pass granite[] = {STEPS(granite_steps), PASS(END)};
static const struct kg_pass tekken[] = {STEPS(tekken_steps), PASS(END)};
static const struct kg_pass aya[] = {PASS(THREES), STEPS(aya_steps), PASS(END)};
static const struct kg_pass youtu[] = {STEPS(youtu_scripts), STEPS(youtu_steps), PASS(END)};
static const struct kg_pass deepseek[] = {STEPS(each_break), STEPS(deepseek_words), STEPS(deepseek_punctuation),
                                          PASS(SPACES_LAST), STEPS(asian_words),    STEPS(all_numbers),
                                          PASS(END)};
static const struct kg_pass coder[] = {STEPS(each_break),  STEPS(coder_words), STEPS(coder_punctuation),
                                       STEPS(asian_words), STEPS(each_number), PASS(END)};
static const struct kg_pass deepseek3[] = {STEPS(three_numbers), STEPS(han_kana_words), STEPS(deepseek3_steps),
                                           PASS(END)};
static const struct kg_pass spark[] = {STEPS(three_numbers), STEPS(han_kana_words), STEPS(spark_steps),
                                       STEPS(each_number), PASS(END)};
static const struct kg_pass afmoe[] = {PASS(THREES), STEPS(afmoe_words), STEPS(deepseek3_steps), PASS(END)};
static const struct kg_pass poro[] = {STEPS(sentence_words), PASS(END)};
static const struct kg_pass viking[] = {STEPS(sentence_words), STEPS(each_number), PASS(END)};
static const struct kg_pass superbpe[] = {STEPS(all_numbers), PASS(DIGITS), PASS(END)};

/* Names */

/* X(name, passes, ignore_merges, add_bos) */
#define PRE_TOKENIZERS(X)                              \
    X("default", plain, false, false)                  \
    X("llama3", llama3, true, true)                    \
    X("llama-v3", llama3, true, true)                  \
    X("llama-bpe", llama3, true, true)                 \
    X("falcon3", llama3, true, true)                   \
    X("falcon-h1", llama3, true, true)                 \
    X("pixtral", llama3, true, true)                   \
    X("midm-2.0", llama3, true, true)                  \
    X("lfm2", llama3, true, true)                      \
    X("jina-v5-nano", llama3, true, true)              \
    X("dbrx", llama3, false, false)                    \
    X("smaug-bpe", llama3, false, false)               \
    X("chatglm-bpe", llama3, false, false)             \
    X("glm4", llama3, true, false)                     \
    X("glm5", llama3, true, false)                     \
    X("jais-2", jais2, false, false)                   \
    X("minicpm5", minicpm, true, false)                \
    X("deepseek-llm", deepseek, false, false)          \
    X("deepseek-coder", coder, false, false)           \
    X("deepseek-v3", deepseek3, false, false)          \
    X("hunyuan-dense", deepseek3, false, false)        \
    X("joyai-llm", deepseek3, false, false)            \
    X("hy_v4", deepseek3, false, false)                \
    X("spark2_5", spark, false, false)                 \
    X("youtu", youtu, true, false)                     \
    X("falcon", falcon, false, false)                  \
    X("starcoder", smollm, false, false)               \
    X("refact", smollm, false, false)                  \
    X("command-r", smollm, false, false)               \
    X("smollm", smollm, false, false)                  \
    X("codeshell", smollm, false, false)               \
    X("exaone", smollm, false, false)                  \
    X("minerva-7b", smollm, false, false)              \
    X("mellum2", smollm, false, false)                 \
    X("gpt-2", gpt2, false, false)                     \
    X("phi-2", gpt2, false, false)                     \
    X("gigachat", gpt2, false, false)                  \
    X("a.x-4.0", gpt2, false, false)                   \
    X("mellum", gpt2, false, false)                    \
    X("exaone4", gpt2, false, false)                   \
    X("mpt", gpt2, false, false)                       \
    X("olmo", gpt2, false, false)                      \
    X("jais", gpt2, false, false)                      \
    X("trillion", gpt2, false, false)                  \
    X("granite-docling", gpt2, false, false)           \
    X("stablelm2", qwen2, false, false)                \
    X("qwen2", qwen2, false, false)                    \
    X("deepseek-r1-qwen", qwen2, false, false)         \
    X("kormo", qwen2, false, false)                    \
    X("f2llmv2", qwen2, false, false)                  \
    X("megrez", qwen2, false, false)                   \
    X("hunyuan", qwen2, false, false)                  \
    X("solar-open", qwen2, false, false)               \
    X("grok-2", qwen2, false, false)                   \
    X("bailingmoe", qwen2, false, false)               \
    X("bailingmoe2", qwen2, false, false)              \
    X("llada-moe", qwen2, false, false)                \
    X("qwen35", qwen35, false, false)                  \
    X("ufakzeka", ufakzeka, false, false)              \
    X("seed-coder", seed, false, false)                \
    X("laguna", laguna, false, false)                  \
    X("gpt-4o", gpt4o, false, false)                   \
    X("llama4", gpt4o, false, false)                   \
    X("kanana2", gpt4o, false, false)                  \
    X("talkie", gpt4o, false, false)                   \
    X("minimax-m2", gpt4o, false, false)               \
    X("granite-embed-multi-97m", granite, true, false) \
    X("tekken", tekken, true, true)                    \
    X("tiny_aya", aya, false, false)                   \
    X("cohere2moe", aya, false, false)                 \
    X("afmoe", afmoe, false, false)                    \
    X("poro-chat", poro, false, false)                 \
    X("bloom", poro, false, false)                     \
    X("gpt3-finnish", poro, false, false)              \
    X("viking", viking, false, false)                  \
    X("superbpe", superbpe, false, false)

#define RULE(pre_name, pre_passes, merges, bos) \
    {.name = (pre_name), .passes = (pre_passes), .ignore_merges = (merges), .add_bos = (bos)},
#define NAME(pre_name, pre_passes, merges, bos) pre_name,

static const struct kg_pre rules[] = {PRE_TOKENIZERS(RULE)};
const char *const kg_vocab_pre[] = {PRE_TOKENIZERS(NAME) NULL};

const struct kg_pre *kg_pre_find(const char *name, size_t n)
{
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (kg_strlen(rules[i].name) == n && memcmp(rules[i].name, name, n) == 0) {
            return &rules[i];
        }
    }
    return NULL;
}

/* The embedded model: struct kg_model_data from the generated headers. The linker places vocabulary (or chat blob),
 * weights (or GGUF file) and prefill after it, because it sorts the sections .kgpt.model.0 to .3. */
#include "kgpt/model_data.h"

#include "kgpt_config.h"
#include "kgpt_vocab.h"
#include "kgpt_weights.h"

__attribute__((section(".kgpt.model.0"), aligned(KG_MODEL_ALIGN), used)) const struct kg_model_data kgpt_model = {
    .magic = KG_MODEL_MAGIC,
    .version = KG_MODEL_VERSION,
    .size = KGPT_MODEL_SIZE,
    .arch = KGPT_MODEL_ARCH,
    .name = KGPT_MODEL_NAME,
    .sha256 = KGPT_MODEL_SHA256_BYTES,
    .n_vocab = KGPT_N_VOCAB,
    .n_ctx = KGPT_N_CTX,
    .n_embd = KGPT_N_EMBD,
    .n_layer = KGPT_N_LAYER,
    .n_head = KGPT_N_HEAD,
    .n_head_kv = KGPT_N_HEAD_KV,
    .n_ff = KGPT_N_FF,
    .bos_id = KGPT_BOS_ID,
    .norm_eps = KGPT_NORM_EPS,
    .weight_type = KGPT_WEIGHT_TYPE,
    .crc32 = KGPT_MODEL_CRC32,
    .flags = KGPT_MODEL_FLAGS,
    .vocab_offset = KGPT_VOCAB_OFFSET,
    .vocab_size = KGPT_VOCAB_SIZE,
    .weights_offset = KGPT_WEIGHTS_OFFSET,
    .weights_size = KGPT_WEIGHTS_SIZE,
    .prefill_offset = KGPT_PREFILL_OFFSET,
    .prefill_size = KGPT_PREFILL_SIZE,
};

const char kgpt_build_cmdline[] = KGPT_CMDLINE;
const char kgpt_version[] = KGPT_VERSION;

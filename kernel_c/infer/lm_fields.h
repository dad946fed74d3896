/* The hyperparameters of a file as fields.def defines them: read, checked, completed where the file says nothing. */
#ifndef KGPT_INFER_LM_FIELDS_H
#define KGPT_INFER_LM_FIELDS_H

#include "lm_model.h"

/* C types of the kinds in fields.def. */
#define KG_TYPE_SIZE int64_t
#define KG_TYPE_SIZES int64_t
#define KG_TYPE_PATTERN int64_t
#define KG_TYPE_NUMBER double
#define KG_TYPE_POSITIVE double
#define KG_TYPE_FLAG bool
#define KG_TYPE_SCALING int64_t /* enum kg_rope_scaling */
#define KG_TYPE_TEXT int64_t    /* nothing is kept of it */

/* Those that are shown as whole numbers. */
#define KG_SIZE_SIZE 1
#define KG_SIZE_SIZES 1
#define KG_SIZE_PATTERN 0
#define KG_SIZE_NUMBER 0
#define KG_SIZE_POSITIVE 0
#define KG_SIZE_FLAG 0
#define KG_SIZE_SCALING 0
#define KG_SIZE_TEXT 0

struct kg_lm_fields {
#define KG_FIELD(name, key, kind, least, most, otherwise) KG_TYPE_##kind name;
#define KG_VALUE(name, kind, value) KG_TYPE_##kind name;
#include "fields.def"
};

/* What the names of the tensors tell, before the tensors are read. */
struct kg_lm_tensor_facts {
    uint32_t layers;   /* the highest N of "blk.N." and one */
    bool rope_factors; /* LongRoPE's, short or long */
};

/* KG_E_INPUT names a field of the architecture that has no row in fields.def, or else the first one, in the order of
 * the rows, that is missing or not as it must be. */
enum kg_status kg_lm_read_fields(struct kg_lm_fields *fields, const struct kg_gguf *gguf, const struct kg_lm_arch *arch,
                                 const struct kg_lm_tensor_facts *tensors, struct kg_error *error);

#endif

/* The slots that the table of kgpt/quant.h is filled from. */
#ifndef KGPT_OPS_QUANT_VERSIONS_H
#define KGPT_OPS_QUANT_VERSIONS_H

#include "kgpt/quant.h"

/* A slot: functions for processors with certain features. Those of `rows` take the activations of any slot whose
 * `needs` is not 0. */
struct kg_quant_slot {
    const char *name;
    uint32_t needs;               /* enum kg_cpu_feature: all of them; 0: baseline instructions */
    kg_rows_fn *rows[KG_N_TYPES]; /* NULL, here and below: another slot is as good */
    kg_act_fn *act[KG_N_ACTS];
};

/* From the least to the best, then NULL: plain C is first and has everything, SWAR second. Of the architecture's room
 * (ops/x86, ops/aarch64). */
extern const struct kg_quant_slot *const kg_quant_slots[];
extern const struct kg_quant_slot kg_quant_slot_c, kg_quant_slot_swar;

/* Puts the functions of a slot into the table. */
void kg_quant_use(struct kg_quant_ops *ops, const struct kg_quant_slot *slot);

kg_act_fn kg_act_f32_ref, kg_act_q8_ref, kg_act_q8k_ref;

kg_rows_fn kg_rows_float_ref, kg_rows_q8_ref, kg_rows_q8k_ref;

kg_act_fn kg_act_q8_swar, kg_act_q8k_swar;
kg_rows_fn kg_rows_q4_0_swar, kg_rows_q4_1_swar, kg_rows_q5_0_swar, kg_rows_q5_1_swar, kg_rows_q8_0_swar;
kg_rows_fn kg_rows_q2_k_swar, kg_rows_q3_k_swar, kg_rows_q4_k_swar, kg_rows_q5_k_swar, kg_rows_q6_k_swar;
kg_rows_fn kg_rows_iq4_nl_swar, kg_rows_iq4_xs_swar, kg_rows_mxfp4_swar;

kg_act_fn kg_act_q8_avx2, kg_act_q8k_avx2;
kg_rows_fn kg_rows_f32_avx2, kg_rows_f16_avx2, kg_rows_bf16_avx2;
kg_rows_fn kg_rows_q4_0_avx2, kg_rows_q4_1_avx2, kg_rows_q5_0_avx2, kg_rows_q5_1_avx2, kg_rows_q8_0_avx2;
kg_rows_fn kg_rows_q2_k_avx2, kg_rows_q3_k_avx2, kg_rows_q4_k_avx2, kg_rows_q5_k_avx2, kg_rows_q6_k_avx2;
kg_rows_fn kg_rows_iq4_nl_avx2, kg_rows_iq4_xs_avx2, kg_rows_mxfp4_avx2;

kg_rows_fn kg_rows_q4_0_avxvnni, kg_rows_q4_1_avxvnni, kg_rows_q5_0_avxvnni, kg_rows_q5_1_avxvnni;
kg_rows_fn kg_rows_f32_avx512, kg_rows_f16_avx512, kg_rows_bf16_avx512;

kg_rows_fn kg_rows_q4_0_avx512vnni, kg_rows_q4_1_avx512vnni, kg_rows_q5_0_avx512vnni, kg_rows_q5_1_avx512vnni;
kg_rows_fn kg_rows_q8_0_avx512vnni, kg_rows_iq4_nl_avx512vnni, kg_rows_mxfp4_avx512vnni;
kg_rows_fn kg_rows_q2_k_avx512vnni, kg_rows_q3_k_avx512vnni, kg_rows_q4_k_avx512vnni, kg_rows_q5_k_avx512vnni;
kg_rows_fn kg_rows_q6_k_avx512vnni, kg_rows_iq4_xs_avx512vnni;

kg_rows_fn kg_rows_q8_0_avxvnni, kg_rows_iq4_nl_avxvnni, kg_rows_mxfp4_avxvnni;

#endif

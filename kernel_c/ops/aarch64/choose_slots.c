/* The slots of products by NEON. */
#include "ops/quant/versions.h"

const struct kg_quant_slot *const kg_quant_slots[] = {&kg_quant_slot_c, &kg_quant_slot_swar, NULL};

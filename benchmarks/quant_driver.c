/* Quantised products for ctypes: tables of functions by number, as far as this machine has the instructions. */
#include "../../kernel_c/ops/quant/versions.h"
#include "kgpt/cpu.h"

static const struct kg_ops base;
static struct kg_quant_ops tables[KG_N_QUANT_VERSIONS];

/* False where this machine has no such instructions. */
bool driver_open(uint32_t version)
{
    struct kg_cpu cpu;
    kg_cpu_detect(&cpu);
    tables[version].base = &base;
    return kg_quant_use(&tables[version], version, cpu.features);
}

void driver_act(uint32_t version, uint32_t act, void *out, const float *x, uint32_t columns)
{
    tables[version].act[act](out, x, columns);
}

void driver_rows(uint32_t version, float *y, size_t y_stride, const struct kg_matrix *matrix, uint32_t first,
                 uint32_t n, const void *acts, size_t act_stride, uint32_t tokens)
{
    tables[version].rows[matrix->type](y, y_stride, matrix, first, n, acts, act_stride, tokens);
}

float driver_dot_f16(uint32_t version, const uint16_t *a, const float *b, size_t n)
{
    return tables[version].dot_f16(a, b, n);
}

void driver_add_scaled_f16(uint32_t version, float *y, const uint16_t *a, float s, size_t n)
{
    tables[version].add_scaled_f16(y, a, s, n);
}

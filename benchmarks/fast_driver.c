/* What measuring from Python cannot do without C: many steps by one call, the clock around them, and the most
 * multiplications and additions that this machine can do. */
#include <stdint.h>

#include "kgpt/train_fast.h"

#define SYS_CLOCK_GETTIME 228
#define CLOCK_MONOTONIC 1

static double seconds(void)
{
    int64_t time[2];
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(SYS_CLOCK_GETTIME), "D"(CLOCK_MONOTONIC), "S"(time)
                     : "rcx", "r11", "memory");
    return result == 0 ? (double)time[0] + (double)time[1] * 1e-9 : 0;
}

double driver_steps(struct kg_fast *trainer, uint32_t steps)
{
    double start = seconds();
    for (uint32_t i = 0; i < steps; i++) {
        kg_fast_step(trainer);
    }
    return seconds() - start;
}

typedef uint64_t pair __attribute__((vector_size(16)));

/* Bytes a second; `size` is a multiple of 128. */
double driver_read_rate(const void *memory, uint64_t size)
{
    const pair *at = memory;
    pair sum[8] = {{0}};
    double start = seconds();
    for (uint64_t i = 0; i < size / sizeof *at; i += 8) {
        for (int j = 0; j < 8; j++) {
            sum[j] += at[i + j];
        }
    }
    double took = seconds() - start;
    for (int j = 1; j < 8; j++) {
        sum[0] += sum[j];
    }
    __asm__ volatile("" : : "x"(sum[0])); /* or nothing of it would be done */
    return (double)size / took;
}

/* FLOP/s of 12 independent chains of fused multiply-adds in registers, of 16 floats or of 8. Each chain is its own
 * register, so the compiler has no part in it. */
#define CHAINS(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define CLEAR(i) "vxorps %%xmm" #i ", %%xmm" #i ", %%xmm" #i "\n"
#define FUSED_16(i) "vfmadd231ps %%zmm15, %%zmm15, %%zmm" #i "\n"
#define FUSED_8(i) "vfmadd231ps %%ymm15, %%ymm15, %%ymm" #i "\n"
#define CLOBBERS \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm15", "cc"

double driver_multiply_adds(uint32_t isa)
{
    uint64_t n = 4000000, left = n;
    double start = seconds();
    if (isa == KG_ISA_AVX512) {
        __asm__ volatile(CHAINS(CLEAR) CLEAR(15) "1: " CHAINS(FUSED_16) "dec %0\n jnz 1b\n vzeroupper"
                         : "+r"(left)
                         :
                         : CLOBBERS);
        return (double)n * 12 * 16 * 2 / (seconds() - start);
    }
    __asm__ volatile(CHAINS(CLEAR) CLEAR(15) "1: " CHAINS(FUSED_8) "dec %0\n jnz 1b\n vzeroupper"
                     : "+r"(left)
                     :
                     : CLOBBERS);
    return (double)n * 12 * 8 * 2 / (seconds() - start);
}

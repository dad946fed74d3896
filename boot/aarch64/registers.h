/* Values of system registers at EL1, for the assembly that sets them (Arm Architecture Reference Manual, D19.2). */

#define CPACR_FP        (3 << 20)  /* no trap of floating point */
#define SCTLR_ON        0x30D0181D /* RES1 bits; MMU, caches, checks of the stack's alignment */
#define SCTLR_OFF       0x30D00800
#define SCTLR_EL2_OFF   0x30C50830

/* Attributes of memory: 0 registers (nGnRE), 1 ordinary (write-back), 2 write-combining (not cached). */
#define MAIR_VALUE      0x44FF04

/* 48 bits of addresses in TTBR0, none in TTBR1; tables of 4 KiB, which are cached and shared. IPS is added. */
#define TCR_VALUE       ((64 - 48) | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)

/* Blocks of 1 GiB before paging.c has read the memory map. */
#define BLOCK_REGISTERS 0x0060000000000401 /* not executable */
#define BLOCK_MEMORY    0x0040000000000705
#define TABLE           3

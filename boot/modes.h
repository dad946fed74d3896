/* Register values for 64-bit mode, used by the first processor (entry.S) and the others (ap.S). */
#define CR0_BOOT 0x80010033 /* PG WP NE ET MP PE: no FPU emulation, caches on */
#define CR4_BOOT 0x00000020 /* only PAE: clears LA57 before paging starts */
#define MSR_EFER 0xC0000080
#define EFER_BOOT 0x00000900 /* LME NXE */

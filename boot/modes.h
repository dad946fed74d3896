/* How a processor comes to 64-bit mode: the same values on the first (entry.S) and on every other one (ap.S). */
#define CR0_BOOT  0x80010033 /* PG WP NE ET MP PE: no emulation, no task switch, caches on */
#define CR4_BOOT  0x00000020 /* PAE alone: this clears LA57 before it could take effect */
#define MSR_EFER  0xC0000080
#define EFER_BOOT 0x00000900 /* LME NXE */

/* For assembly and C: EAX, or X1, at the kernel's entry if the UEFI loader started it. EBX, or X0, then holds the
 * address of a struct kg_uefi_handover (uefi.h). */
#define KG_UEFI_MAGIC 0x4B475545

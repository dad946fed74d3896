/* For assembly and C: EAX at the kernel's entry if the UEFI loader started it. EBX then holds the address of a
 * struct kg_uefi_handover (uefi.h). */
#define KG_UEFI_MAGIC 0x4B475545

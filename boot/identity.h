/* Tables of an identity map, as data: entries of equal blocks from address 0 on. */
    .macro identity_map entries, shift, bits
    .set identity_entry, 0
    .rept \entries
    .quad (identity_entry << \shift) | \bits
    .set identity_entry, identity_entry + 1
    .endr
    .endm

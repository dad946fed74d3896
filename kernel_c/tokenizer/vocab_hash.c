/* Hash tables of pieces and pairs: open addressing, at most half full. */
#include "kgpt/mem.h"
#include "vocab_tables.h"

/* Mixes the bits: in a polynomial hash the low bits depend only on the last bytes. */
static uint32_t mix_hash(uint32_t hash)
{
    hash ^= hash >> 16;
    hash *= 0x7FEB352Du;
    return hash ^ hash >> 15;
}

uint32_t kg_hash(const char *text, size_t n)
{
    uint32_t hash = 0;
    for (size_t i = 0; i < n; i++) {
        hash = kg_hash_add(hash, (uint8_t)text[i]);
    }
    return hash;
}

void kg_hash_all(const char *text, uint32_t n, uint32_t *hashes)
{
    hashes[0] = 0;
    for (uint32_t i = 0; i < n; i++) {
        hashes[i + 1] = kg_hash_add(hashes[i], (uint8_t)text[i]);
    }
}

uint32_t kg_slots_for(uint64_t n)
{
    uint32_t slots = 16;
    while (slots < 2 * n) {
        slots *= 2;
    }
    return slots;
}

uint32_t kg_piece_find(const struct kg_vocab_tables *tables, uint32_t hash, const char *text, size_t n)
{
    for (uint32_t i = mix_hash(hash);; i++) {
        const struct kg_slot *slot = &tables->slots[i & tables->slot_mask];
        if (slot->token == KG_NO_TOKEN) {
            return KG_NO_TOKEN;
        }
        if (slot->hash == hash && tables->pieces[slot->token].n == n &&
            memcmp(kg_piece_text(tables, slot->token), text, n) == 0) {
            return slot->token;
        }
    }
}

uint32_t kg_piece_add(struct kg_vocab_tables *tables, uint32_t token)
{
    uint32_t n = tables->pieces[token].n;
    const char *text = kg_piece_text(tables, token);
    uint32_t hash = kg_hash(text, n), i = mix_hash(hash);
    for (; tables->slots[i & tables->slot_mask].token != KG_NO_TOKEN; i++) {
        const struct kg_slot *slot = &tables->slots[i & tables->slot_mask];
        if (slot->hash == hash && tables->pieces[slot->token].n == n &&
            memcmp(kg_piece_text(tables, slot->token), text, n) == 0) {
            return slot->token;
        }
    }
    tables->slots[i & tables->slot_mask] = (struct kg_slot){hash, token};
    return token;
}

static uint32_t pair_hash(uint32_t left, uint32_t right)
{
    return mix_hash(left * 0x9E3779B1u + right * 0x85EBCA77u);
}

uint32_t kg_joint_find(const struct kg_vocab_tables *tables, uint32_t left, uint32_t right)
{
    for (uint32_t i = pair_hash(left, right);; i++) {
        uint32_t rank = tables->joint_slots[i & tables->joint_mask];
        if (rank == 0) {
            return UINT32_MAX;
        }
        if (tables->joints[rank - 1].left == left && tables->joints[rank - 1].right == right) {
            return rank - 1;
        }
    }
}

uint32_t kg_joint_add(struct kg_vocab_tables *tables, uint32_t rank)
{
    const struct kg_joint *joint = &tables->joints[rank];
    uint32_t i = pair_hash(joint->left, joint->right);
    for (; tables->joint_slots[i & tables->joint_mask]; i++) {
        uint32_t other = tables->joint_slots[i & tables->joint_mask] - 1;
        if (tables->joints[other].left == joint->left && tables->joints[other].right == joint->right) {
            return other;
        }
    }
    tables->joint_slots[i & tables->joint_mask] = rank + 1;
    return rank;
}

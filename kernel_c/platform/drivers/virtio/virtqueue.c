/* Split virtqueues: see virtio.h. The device may write anything to its part of the memory, so indices from it are
 * checked before use. (Virtio 1.1, 2.6.) */
#include "kgpt/mmio.h"
#include "transport.h"

#define DESCRIPTOR_NEXT 1u
#define DESCRIPTOR_WRITE 2u
#define NO_INTERRUPT 1u
#define NO_NOTIFY 1u /* in the flags of the used ring: the device looks by itself */
#define PAGE 4096u

struct kg_virtqueue_descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags, next;
};

struct kg_virtqueue_entry {
    uint32_t room; /* bytes that the device may write to the chain starting here */
    uint16_t n;    /* descriptors of the chain starting here; 0: none is pending */
    uint16_t next; /* next descriptor of the chain or of the free list */
};

static uint16_t queue_size_at_most(uint16_t n, uint16_t most)
{
    while (most > n) {
        most /= 2;
    }
    return most;
}

const char *kg_virtqueue_init(struct kg_virtqueue *q, const struct kg_virtio *v, uint16_t index, uint16_t most)
{
    uint16_t size = queue_size_at_most(v->transport->select_queue(v, index), most);
    if (size == 0) {
        return "it lacks a queue";
    }
    size_t entries = size * sizeof *q->entries, descriptors = size * sizeof *q->descriptors, used = 6 + 8u * size;
    uint8_t *memory = plat_dma(entries + descriptors + used + 2 + 6 + 2u * size, PAGE, UINT64_MAX);
    if (!memory) {
        return "no memory is left for its queue";
    }
    q->index = index;
    q->size = q->n_free = size;
    q->entries = (struct kg_virtqueue_entry *)(memory + descriptors);
    q->descriptors = (struct kg_virtqueue_descriptor *)memory;
    q->used = (volatile uint16_t *)(memory + descriptors + entries);
    q->available = q->used + used / 2;
    q->available[0] = NO_INTERRUPT;
    for (uint16_t i = 0; i < size; i++) {
        q->entries[i].next = (uint16_t)(i + 1);
    }
    const void *const parts[3] = {q->descriptors, (const void *)q->available, (const void *)q->used};
    q->wide_doorbell = v->transport->wide_doorbell;
    q->doorbell = v->transport->enable_queue(v, size, parts);
    return q->doorbell ? NULL : "it says to be notified outside its registers";
}

int kg_virtqueue_add(struct kg_virtqueue *q, const struct kg_virtio_buffer *buffers, uint32_t n_read,
                     uint32_t n_written)
{
    uint32_t n = n_read + n_written;
    if (n == 0 || n > q->n_free) {
        return KG_VIRTQUEUE_NONE;
    }
    uint16_t head = q->first_free, at = head;
    struct kg_virtqueue_entry *chain = &q->entries[head];
    chain->room = 0;
    chain->n = (uint16_t)n;
    for (uint32_t i = 0; i < n; i++) {
        uint16_t next = q->entries[at].next;
        q->descriptors[at] = (struct kg_virtqueue_descriptor){
            plat_dma_address(buffers[i].memory), buffers[i].size,
            (uint16_t)((i >= n_read ? DESCRIPTOR_WRITE : 0) | (i + 1 < n ? DESCRIPTOR_NEXT : 0)), next};
        chain->room += i >= n_read ? buffers[i].size : 0;
        at = next;
    }
    q->first_free = at;
    q->n_free = (uint16_t)(q->n_free - n);
    uint16_t added = q->available[1];
    q->available[2 + added % q->size] = head;
    kg_dma_barrier();
    q->available[1] = (uint16_t)(added + 1);
    return head;
}

void kg_virtqueue_notify(const struct kg_virtqueue *q)
{
    kg_dma_barrier();
    if (q->used[0] & NO_NOTIFY) {
        return;
    }
    if (q->wide_doorbell) {
        kg_mmio_write32(q->doorbell, q->index);
    } else {
        kg_mmio_write16(q->doorbell, q->index);
    }
}

/* Frees the chain's descriptors. */
static void free_chain(struct kg_virtqueue *q, uint16_t head)
{
    uint16_t last = head;
    for (uint16_t i = 1; i < q->entries[head].n; i++) {
        last = q->entries[last].next;
    }
    q->entries[last].next = q->first_free;
    q->first_free = head;
    q->n_free = (uint16_t)(q->n_free + q->entries[head].n);
    q->entries[head].n = 0;
}

int kg_virtqueue_take(struct kg_virtqueue *q, uint32_t *written)
{
    uint16_t ahead = (uint16_t)(q->used[1] - q->seen);
    if (ahead == 0) {
        return KG_VIRTQUEUE_NONE;
    }
    if (ahead > q->size - q->n_free) { /* more chains than are pending */
        return KG_VIRTQUEUE_BROKEN;
    }
    kg_dma_barrier();
    const volatile uint32_t *pair = (const volatile uint32_t *)(q->used + 2) + 2 * (q->seen % q->size);
    uint32_t head = pair[0];
    *written = pair[1];
    if (head >= q->size || q->entries[head].n == 0 || *written > q->entries[head].room) {
        return KG_VIRTQUEUE_BROKEN;
    }
    q->seen++;
    free_chain(q, (uint16_t)head);
    return (int)head;
}

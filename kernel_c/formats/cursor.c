/* Bounds-checked reading: see cursor.h. */
#include "cursor.h"

#include <stddef.h>

const uint8_t *kg_cursor_take(struct kg_cursor *cursor, uint64_t n)
{
    if (n > kg_cursor_left(cursor)) {
        return NULL;
    }
    const uint8_t *start = cursor->data + cursor->at;
    cursor->at += n;
    return start;
}

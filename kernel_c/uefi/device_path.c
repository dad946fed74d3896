/* Device paths of firmware: lists of nodes with a type, a subtype and a length (UEFI Specification 2.10, 10). */
#include "device_path.h"
#include "kgpt/mem.h"
#include "kgpt/utf8.h"

#define TYPE_END 0x7F
#define TYPE_MEDIA 4
#define SUBTYPE_FILE 4
#define NODE_HEAD 4

size_t kg_stick_utf16(struct kg_text text, uint16_t *out, size_t room, bool slashes)
{
    size_t n = 0, length;
    for (size_t at = 0; at < text.n && n + 3 <= room; at += length ? length : 1) {
        length = kg_utf8_length(text.data + at, text.n - at);
        uint32_t code = length ? kg_utf8_code(text.data + at, length) : '?';
        if (code > 0xFFFF) {
            out[n++] = (uint16_t)(0xD7C0 + (code >> 10));
            code = 0xDC00 | (code & 0x3FF);
        }
        out[n++] = (uint16_t)(slashes && code == '/' ? '\\' : code);
    }
    out[n] = 0;
    return n;
}

static size_t node_size(const uint8_t *node)
{
    return node[2] | (size_t)node[3] << 8;
}

size_t kg_device_path_size(const uint8_t *path)
{
    size_t at = 0;
    while (path && path[at] != TYPE_END) {
        size_t n = node_size(path + at);
        if (n < NODE_HEAD || at + n > KG_DEVICE_PATH_MAX / 2) {
            return 0;
        }
        at += n;
    }
    return at;
}

const uint8_t *kg_device_path_node(const uint8_t *path, uint8_t type, uint8_t subtype)
{
    size_t size = kg_device_path_size(path);
    for (size_t at = 0; at < size; at += node_size(path + at)) {
        if (path[at] == type && path[at + 1] == subtype) {
            return path + at;
        }
    }
    return NULL;
}

bool kg_device_path_of_file(const uint8_t *device, struct kg_text file, uint8_t path[KG_DEVICE_PATH_MAX])
{
    uint16_t name[KG_STICK_PATH_MAX];
    size_t at = kg_device_path_size(device), bytes = 2 * (kg_stick_utf16(file, name, KG_STICK_PATH_MAX - 1, true) + 1);
    size_t size = NODE_HEAD + bytes;
    if (at == 0 || at + size + NODE_HEAD > KG_DEVICE_PATH_MAX) {
        return false;
    }
    const uint8_t head[NODE_HEAD] = {TYPE_MEDIA, SUBTYPE_FILE, (uint8_t)size, (uint8_t)(size >> 8)};
    const uint8_t end[NODE_HEAD] = {TYPE_END, 0xFF, NODE_HEAD, 0};
    memcpy(path, device, at);
    memcpy(path + at, head, NODE_HEAD);
    memcpy(path + at + NODE_HEAD, name, bytes);
    memcpy(path + at + size, end, NODE_HEAD);
    return true;
}

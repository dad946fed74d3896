/* Answers of DNS servers, and the words of `ip=`. The input: a byte, a name and a NUL, and an answer to the question
 * for this name (its number and question are made right unless the byte is odd); or words after a byte of 255. */
#include <stdlib.h>
#include <string.h>

#include "kgpt/net.h"
#include "net/dns.h"
#include "net/ip/bytes.h"
#include "promise.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_words(const char *words)
{
    struct kg_net_settings settings;
    struct kg_error error;
    uint32_t address;
    if (kg_net_read_settings(words, &settings, &error) == KG_OK) {
        promise(settings.dhcp || (settings.address && settings.mask));
        promise(!settings.gateway || (settings.gateway & settings.mask) == (settings.address & settings.mask));
    } else {
        promise(error.message[0] && error.hint[0]);
    }
    kg_net_read_address(words, &address);
}

static void read_answer(uint8_t odd, const char *name, const uint8_t *bytes, size_t n)
{
    char normal[KG_DNS_NAME], again[KG_DNS_NAME];
    uint8_t query[KG_DNS_QUERY];
    uint32_t address = 0;
    if (!kg_dns_normal(name, normal)) {
        return;
    }
    promise(kg_dns_normal(normal, again) && strcmp(normal, again) == 0);
    uint32_t length = kg_dns_write(query, 7, normal);
    promise(length <= sizeof query && length == strlen(normal) + 18);
    promise(kg_dns_read(query, length, 7, normal, &address) == KG_DNS_NOT_OURS);
    uint8_t *copy = malloc(n + length);
    promise(copy);
    memcpy(copy + (odd & 1 ? 0 : length), bytes, n);
    if (!(odd & 1)) {
        memcpy(copy, query, length);
        copy[2] = 0x81;
        copy[3] = odd >> 5;
        kg_put16(copy + 6, odd >> 1 & 15);
        n += length;
    }
    enum kg_dns_answer answer = kg_dns_read(copy, (uint32_t)n, 7, normal, &address);
    promise(answer != KG_DNS_FOUND || address);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    char *text = malloc(size);
    promise(text);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = 0;
    size_t name = strlen(text);
    if (data[0] == 255) {
        read_words(text);
    } else if (name + 1 < size) {
        read_answer(data[0], text, (const uint8_t *)text + name + 1, size - name - 2);
    }
    free(text);
    return 0;
}

/* Words of the command line from QEMU: firmware that boots a file from a drive passes no load options. `kgpt run
 * --firmware uefi` therefore gives them as a file of QEMU's firmware configuration (docs/specs/fw_cfg of QEMU). */
#include "loader.h"

#define SELECTOR 0x510 /* 16 bits; the data port is 8 bits wide */
#define DATA 0x511
#define KEY_SIGNATURE 0x00
#define KEY_DIRECTORY 0x19
#define NAME_SIZE 56
#define MOST_FILES 4096
#define CPUID1_ECX_HYPERVISOR (1u << 31)

static bool in_virtual_machine(void)
{
    uint32_t a = 1, b, c = 0, d;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return c & CPUID1_ECX_HYPERVISOR;
}

static void select_item(uint16_t key)
{
    __asm__ volatile("outw %0, %1" : : "a"(key), "Nd"((uint16_t)SELECTOR));
}

static uint8_t read_item(void)
{
    uint8_t byte;
    __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"((uint16_t)DATA));
    return byte;
}

static uint32_t read_item_number(int bytes)
{
    uint32_t number = 0;
    while (bytes-- > 0) {
        number = number << 8 | read_item();
    }
    return number;
}

static bool is_qemu_configuration(void)
{
    select_item(KEY_SIGNATURE);
    return read_item_number(4) == 0x51454D55; /* QEMU */
}

/* True if the next name in the directory is `wanted`. Reads it to its end. */
static bool next_name_is(const char *wanted)
{
    bool same = true, ended = false;
    for (int i = 0; i < NAME_SIZE; i++) {
        char c = (char)read_item();
        same = same && (ended || c == wanted[i]);
        ended = ended || c == '\0';
    }
    return same && ended;
}

void kg_uefi_qemu_words(char *text, size_t size)
{
    if (!in_virtual_machine() || !is_qemu_configuration()) {
        return;
    }
    select_item(KEY_DIRECTORY);
    uint32_t n = read_item_number(4), bytes = 0;
    uint16_t key = 0;
    for (uint32_t i = 0; i < n && i < MOST_FILES && !key; i++) {
        bytes = read_item_number(4);
        uint16_t found = (uint16_t)read_item_number(2);
        read_item_number(2);
        key = next_name_is("opt/org.kgpt/words") ? found : 0;
    }
    if (!key || bytes >= size) {
        return;
    }
    select_item(key);
    for (uint32_t i = 0; i < bytes; i++) {
        text[i] = (char)read_item();
    }
    text[bytes] = '\0';
}

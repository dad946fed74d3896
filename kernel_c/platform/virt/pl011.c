#include "pl011.h"

#include "kgpt/mmio.h"
#include "kgpt/platform.h"
#include "kgpt/terminal_words.h"
#include "platform/aarch64/registers.h"
#include "platform/common/ring.h"

#define DATA 0x00
#define FLAGS 0x18
#define LINE_CONTROL 0x2C
#define CONTROL 0x30
#define FIFO_LEVELS 0x34
#define INTERRUPT_MASK 0x38
#define INTERRUPT_CLEAR 0x44

#define FLAG_BUSY (1u << 3)
#define FLAG_RECEIVE_EMPTY (1u << 4)
#define FLAG_TRANSMIT_FULL (1u << 5)
#define LINE_8_BITS (3u << 5)
#define LINE_FIFO (1u << 4)
#define CONTROL_ON 0x301u /* port, transmitter, receiver */
#define INTERRUPT_RECEIVED (1u << 4)
#define INTERRUPT_TIMEOUT (1u << 6) /* bytes wait below the FIFO's level */
#define INTERRUPT_ALL 0x7FFu
#define MAX_SPINS 1000000u

static volatile uint8_t *port; /* NULL: there is none */
static bool present, asked;

/* Received bytes: computing a token or redrawing a line takes longer than the receive FIFO lasts. */
static struct kg_ring ahead;

/* The rate stays as the firmware set it, and the FIFOs as they are: switching them on drops a received byte. */
void kg_pl011_init(const struct kg_range *registers)
{
    present = registers->size != 0;
    if (!present) {
        return;
    }
    port = (volatile uint8_t *)registers->base;
    kg_mmio_write32(port + INTERRUPT_MASK, 0);
    kg_mmio_write32(port + INTERRUPT_CLEAR, INTERRUPT_ALL);
    kg_mmio_write32(port + LINE_CONTROL, LINE_8_BITS | (kg_mmio_read32(port + LINE_CONTROL) & LINE_FIFO));
    kg_mmio_write32(port + CONTROL, CONTROL_ON);
}

const char kg_serial_name[] = "PL011";

bool kg_serial_present(void)
{
    return present;
}

void kg_pl011_keep(void)
{
    while (present && !kg_ring_is_full(&ahead) && !(kg_mmio_read32(port + FLAGS) & FLAG_RECEIVE_EMPTY)) {
        kg_ring_put(&ahead, (uint8_t)kg_mmio_read32(port + DATA));
    }
    if (kg_ring_is_full(&ahead)) { /* until kg_serial_read has made room: else it would interrupt without end */
        kg_mmio_write32(port + INTERRUPT_MASK, 0);
    }
}

void kg_pl011_listen(void)
{
    if (present) {
        kg_mmio_write32(port + FIFO_LEVELS, 0); /* from an eighth */
        kg_mmio_write32(port + INTERRUPT_MASK, INTERRUPT_RECEIVED | INTERRUPT_TIMEOUT);
    }
}

static bool wait_while(uint32_t flag)
{
    for (uint32_t spins = 0; spins < MAX_SPINS; spins++) {
        if (!(kg_mmio_read32(port + FLAGS) & flag)) {
            return true;
        }
    }
    return false;
}

static void transmit_byte(uint8_t byte)
{
    if (!wait_while(FLAG_TRANSMIT_FULL)) { /* no reader drains the port: drop output rather than hang */
        present = false;
        return;
    }
    kg_mmio_write32(port + DATA, byte);
}

void kg_serial_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n && present; i++) {
        if (text[i] == '\n') {
            transmit_byte('\r');
        }
        transmit_byte((uint8_t)text[i]);
    }
}

void kg_serial_ask(bool answer)
{
    kg_serial_write(KG_ASK_TERMINAL, answer ? sizeof KG_ASK_TERMINAL - 1 : KG_ASK_PASTES);
    asked = true;
}

void kg_pl011_end(void)
{
    if (asked) {
        kg_serial_write(KG_ASK_NO_MORE, sizeof KG_ASK_NO_MORE - 1);
    }
    if (present) {
        wait_while(FLAG_BUSY);
    }
}

int kg_serial_read(void)
{
    if (!present) {
        return KG_READ_END;
    }
    uint64_t flags = kg_irq_save();
    bool was_full = kg_ring_is_full(&ahead);
    kg_pl011_keep();
    kg_irq_restore(flags);
    int byte = kg_ring_take(&ahead);
    if (was_full) {
        kg_pl011_listen();
    }
    return byte;
}

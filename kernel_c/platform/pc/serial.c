#include "serial.h"

#include "kgpt/platform.h"
#include "kgpt/terminal_words.h"
#include "platform/common/ring.h"
#include "platform/x86_64/io.h"

#define COM1 0x3F8
enum {
    DATA = COM1,
    INTERRUPT_ENABLE = COM1 + 1,
    FIFO_CONTROL = COM1 + 2,
    LINE_CONTROL = COM1 + 3,
    MODEM_CONTROL = COM1 + 4,
    LINE_STATUS = COM1 + 5,
    SCRATCH = COM1 + 7,
};
#define INTERRUPT_NEVER 0x00
#define INTERRUPT_RECEIVED 0x01
#define INTERRUPT_SENT 0x02
#define MODEM_READY 0x0B /* DTR, RTS, OUT2 */
#define MODEM_RTS 0x02
#define STATUS_DATA_READY 0x01
#define STATUS_TRANSMIT_EMPTY 0x20
#define STATUS_TRANSMITTER_IDLE 0x40
#define FIFO_DEPTH 16
/* At 115200 baud a full FIFO drains in 1.4 ms; a port read takes about 1 us on real hardware, so this is ~0.1 s. */
#define MAX_SPINS 100000

volatile bool kg_serial_woke;

static bool present, asked;
static unsigned room; /* free entries in the transmit FIFO */

/* Received bytes: computing a token or redrawing a line takes longer than the receive FIFO lasts. */
static struct kg_ring ahead;
static bool listening;     /* interrupts are enabled */
static uint8_t interrupts; /* the interrupt enable register */

static bool keeps_value(uint16_t port, uint8_t value)
{
    kg_outb(port, value);
    return kg_inb(port) == value;
}

/* An absent port reads as 0xFF or 0x00. A 16550 keeps the value of its scratch register, and four bits of IER. */
static bool probe_port(void)
{
    if (!keeps_value(SCRATCH, 0x5A) || !keeps_value(SCRATCH, 0xA5)) {
        return false;
    }
    kg_outb(INTERRUPT_ENABLE, 0);
    return kg_inb(INTERRUPT_ENABLE) == 0;
}

bool kg_serial_init(void)
{
    present = probe_port();
    if (!present) {
        return false;
    }
    kg_outb(LINE_CONTROL, 0x80); /* divisor latch */
    kg_outb(DATA, 1);            /* 115200 baud */
    kg_outb(INTERRUPT_ENABLE, 0);
    kg_outb(LINE_CONTROL, 0x03); /* 8 bits, no parity, one stop bit */
    kg_outb(FIFO_CONTROL, 0x87); /* enabled and cleared; interrupt at half full or on timeout */
    kg_outb(MODEM_CONTROL, MODEM_READY);
    return true;
}

const char kg_serial_name[] = "COM1";

bool kg_serial_present(void)
{
    return present;
}

/* Reads the line status, and stores a received byte. Interrupts must be off. */
static uint8_t look_at_line(void)
{
    uint8_t status = kg_inb(LINE_STATUS);
    if ((status & STATUS_DATA_READY) && !kg_ring_is_full(&ahead)) {
        kg_ring_put(&ahead, kg_inb(DATA));
    }
    return status;
}

static uint8_t line_status(void)
{
    uint64_t flags = kg_interrupts_save();
    uint8_t status = look_at_line();
    kg_interrupts_restore(flags);
    return status;
}

static void put_byte(uint8_t byte)
{
    for (unsigned spins = 0; room == 0 && spins < MAX_SPINS; spins++) {
        if (line_status() & STATUS_TRANSMIT_EMPTY) {
            room = FIFO_DEPTH;
        }
    }
    if (room == 0) { /* no reader drains the port: drop output rather than hang */
        present = false;
        return;
    }
    kg_outb(DATA, byte);
    room--;
}

void kg_serial_write(const char *text, size_t n)
{
    for (size_t i = 0; i < n && present; i++) {
        if (text[i] == '\n') {
            put_byte('\r');
        }
        put_byte((uint8_t)text[i]);
    }
}

void kg_serial_flush(void)
{
    for (unsigned spins = 0; present && spins < MAX_SPINS; spins++) {
        if (line_status() & STATUS_TRANSMITTER_IDLE) {
            return;
        }
    }
}

void kg_serial_ask(bool answer)
{
    kg_serial_write(KG_ASK_TERMINAL, answer ? sizeof KG_ASK_TERMINAL - 1 : KG_ASK_PASTES);
    asked = true;
}

void kg_serial_end(void)
{
    if (asked) {
        kg_serial_write(KG_ASK_NO_MORE, sizeof KG_ASK_NO_MORE - 1);
    }
    kg_serial_flush();
}

int kg_serial_read(void)
{
    if (!present) {
        return KG_READ_END;
    }
    line_status();
    return kg_ring_take(&ahead);
}

/* INTERRUPT_NEVER: the ring is full; RTS tells a sender with flow control. */
static void interrupt_when(uint8_t when)
{
    if (interrupts != when) {
        interrupts = when;
        kg_outb(INTERRUPT_ENABLE, when);
        kg_outb(MODEM_CONTROL, when == INTERRUPT_NEVER ? MODEM_READY & ~MODEM_RTS : MODEM_READY);
    }
}

void kg_serial_keep(void)
{
    for (int i = 0; i < FIFO_DEPTH && present && (look_at_line() & STATUS_DATA_READY); i++) {
    }
    if (listening) {
        interrupt_when(kg_ring_is_full(&ahead) ? INTERRUPT_NEVER : INTERRUPT_RECEIVED);
    }
}

void kg_serial_listen(void)
{
    listening = present;
    if (listening) {
        interrupt_when(INTERRUPT_RECEIVED | INTERRUPT_SENT);
    }
}

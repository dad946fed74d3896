/* Replaces platform/x86_64/io.h, so that a device driver runs in a process with ports that the test implements. */
#ifndef KGPT_X86_64_IO_H
#define KGPT_X86_64_IO_H

#include <stdint.h>

typedef uint8_t read_port_fn(uint16_t port);
typedef void write_port_fn(uint16_t port, uint8_t value);

static read_port_fn *read_port;
static write_port_fn *write_port;

static inline uint8_t kg_inb(uint16_t port)
{
    return read_port(port);
}

static inline void kg_outb(uint16_t port, uint8_t value)
{
    write_port(port, value);
}

/* A process has no interrupts. */
static inline uint64_t kg_interrupts_save(void)
{
    return 0;
}

static inline void kg_interrupts_restore(uint64_t flags)
{
    (void)flags;
}

void driver_use_ports(read_port_fn *read, write_port_fn *write);
void driver_use_ports(read_port_fn *read, write_port_fn *write)
{
    read_port = read;
    write_port = write;
}

#endif

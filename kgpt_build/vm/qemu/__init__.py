"""QEMU as a machine: command line, wires (serial port, machine channel, QMP), KVM or TCG, the running process."""

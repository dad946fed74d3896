"""QEMU and what runs in it: settings, command line, the running machine, its console, events, verdict and panics."""

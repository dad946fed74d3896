"""Code that several commands use: options, names of models and kernels, QEMU, progress, tables, the terminal."""

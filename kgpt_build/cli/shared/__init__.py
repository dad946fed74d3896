"""What commands share: options, names of models and images, finding QEMU, progress, tables, the terminal."""

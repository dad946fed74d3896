"""Texts to train on, made from files: trees of sources, and the kernel source that Debian ships."""

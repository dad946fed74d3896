HOSTED += platform/linux/aarch64/processor.c

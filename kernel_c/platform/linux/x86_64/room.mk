HOSTED += platform/linux/x86_64/processor.c

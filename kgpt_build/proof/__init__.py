"""`kgpt test`: boots the kernel on a matrix of machines, and soaks one machine for hours."""

ENGINE += ops/ref/matmul_ref.c

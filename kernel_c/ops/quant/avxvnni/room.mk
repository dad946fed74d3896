ENGINE_LM += ops/quant/avxvnni/q8_avxvnni.c

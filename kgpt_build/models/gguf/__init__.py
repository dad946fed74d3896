"""GGUF files: the header, read with every length checked; fields, tensors and tokenizer of the models in them."""

"""Training in the kernel, seen from the host: what is asked for, the corpus, what comes back, what is written."""

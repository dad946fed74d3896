"""From a model to a kernel: drive the compiler, check what it linked, look into it, and put another model into it."""

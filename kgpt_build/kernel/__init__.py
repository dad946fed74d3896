"""From a model to an image: drive the compiler, check what it linked, look into it, and put another model into it."""

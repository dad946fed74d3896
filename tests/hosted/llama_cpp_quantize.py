"""llama.cpp's quantiser, for a Python that has llama_cpp: ``python llama_cpp_quantize.py < jobs.json``.

A job is {"model": path, "out": path, "file_type": number, "pure": bool, "imatrix": {tensor: values} or null}.
"""

from __future__ import annotations

import ctypes
import json
import sys
from typing import Any

import llama_cpp
import numpy as np


def quantize(job: dict[str, Any]) -> None:
    """Do a job; it ends the program if llama.cpp refuses."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype, parameters.pure = job["file_type"], job["pure"]
    parameters.allow_requantize, parameters.nthread = True, 1
    entries: list[Any] = []
    if job["imatrix"]:
        for name, values in job["imatrix"].items():
            array = np.array(values, np.float32)
            pointer = array.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
            entries.append((llama_cpp.llama_model_imatrix_data(name.encode(), pointer, len(array)), array))
        ended = [entry for entry, _ in entries] + [llama_cpp.llama_model_imatrix_data()]
        data = (llama_cpp.llama_model_imatrix_data * len(ended))(*ended)
        parameters.imatrix = ctypes.cast(data, type(parameters.imatrix))
    if llama_cpp.llama_model_quantize(job["model"].encode(), job["out"].encode(), ctypes.byref(parameters)):
        sys.exit(f"llama.cpp did not quantise {job['model']}")


if __name__ == "__main__":
    for each in json.load(sys.stdin):
        quantize(each)

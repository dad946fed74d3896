"""Hosted programs, built once: by zig for what they compute, by gcc under sanitizers for how."""

from __future__ import annotations

import ctypes
import shutil

import lm
import pytest
from hosted import Hosted, random_model

from kgpt_build import models
from kgpt_build.headers import BROUGHT
from kgpt_build.kernel.build import build_cached
from kgpt_build.models import NO_MODEL, Model

ODD_CHARS = "abcdé€😀 \n\"\\'zß"
"""Characters of one to four bytes, and those that JSON and the command line escape."""


@pytest.fixture(scope="session")
def lm_library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The engine of language models, for ctypes."""
    return lm.build(tmp_path_factory.mktemp("lm"))


@pytest.fixture(scope="session")
def default_model() -> Model:
    return models.load_microgpt(None)


@pytest.fixture(scope="session")
def odd_model() -> Model:
    """No size of it is a power of two, or a multiple of a vector."""
    return random_model(ODD_CHARS, n_ctx=21, n_embd=30, n_layer=3, n_head=5, n_ff=67, name="odd sizes")


@pytest.fixture(scope="session")
def wide_model() -> Model:
    """More than 256 KB of weights: they are included by the assembler instead of written as literals."""
    return random_model("abcdefgh", n_ctx=64, n_embd=128, n_layer=2, n_head=4, n_ff=512, name="wide")


@pytest.fixture(scope="session")
def hosted() -> Hosted:
    """The default model, as everybody builds it."""
    return Hosted(build_cached(target="hosted"))


@pytest.fixture(scope="session")
def sanitized() -> Hosted:
    """The default model, under AddressSanitizer and UndefinedBehaviorSanitizer."""
    return Hosted(build_cached(target="hosted", toolchain=_sanitizing_compiler(), sanitize="address,undefined"))


@pytest.fixture(scope="session")
def training() -> Hosted:
    """The default model, in a program that can also train."""
    return Hosted(build_cached(target="hosted", corpus=BROUGHT))


@pytest.fixture(scope="session")
def training_sanitized() -> Hosted:
    return Hosted(
        build_cached(target="hosted", corpus=BROUGHT, toolchain=_sanitizing_compiler(), sanitize="address,undefined")
    )


@pytest.fixture(scope="session")
def without_model(request: pytest.FixtureRequest) -> Hosted:
    """A program for language models that are brought. With the parameter "sanitized": ``without_model_sanitized``."""
    if getattr(request, "param", "") == "sanitized":
        found: Hosted = request.getfixturevalue("without_model_sanitized")
        return found
    return Hosted(build_cached(NO_MODEL, target="hosted"))


@pytest.fixture(scope="session")
def without_model_sanitized() -> Hosted:
    return Hosted(
        build_cached(NO_MODEL, target="hosted", toolchain=_sanitizing_compiler(), sanitize="address,undefined")
    )


@pytest.fixture(scope="session")
def odd(odd_model: Model) -> Hosted:
    return Hosted(build_cached(odd_model, target="hosted"))


@pytest.fixture(scope="session")
def wide(wide_model: Model) -> Hosted:
    return Hosted(build_cached(wide_model, target="hosted"))


@pytest.fixture(scope="session")
def odd_sanitized(odd_model: Model) -> Hosted:
    return Hosted(
        build_cached(odd_model, target="hosted", toolchain=_sanitizing_compiler(), sanitize="address,undefined")
    )


def _sanitizing_compiler() -> str:
    """zig comes without the sanitizers' runtimes, and clang often does too; gcc has them."""
    if not shutil.which("gcc"):
        pytest.skip("the sanitizers need gcc: apt-get install gcc libc6-dev")
    return "gcc"

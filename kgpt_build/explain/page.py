"""The page of a trace: one HTML file that loads nothing, from the parts in ``assets/``."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from kgpt_build.explain.encode import precision, to_json
from kgpt_build.explain.frame import SHARED, fill, script_json
from kgpt_build.explain.tables import tables
from kgpt_build.explain.trace import Trace
from kgpt_build.models.hf.pieces import byte_chars
from kgpt_build.words import counted

SCRIPTS = (
    *SHARED,
    *(f"trace/{name}.js" for name in ("core", "sampler", "bar", "tokens", "vectors", "attention", "stream")),
    *(f"trace/{name}.js" for name in ("draw", "weights", "main")),
)
SECTIONS = {
    "tokens": "The text becomes tokens",
    "embedding": "Tokens become vectors",
    "qkv": "Query, key and value",
    "attention": "Attention looks back",
    "mlp": "The MLP’s neurons",
    "stream": "The residual stream grows",
    "lens": "The logit lens",
    "draw": "From logits to a token",
    "reply": "The whole reply",
    "weights": "Every weight",
}
_MAKERS = {
    "kernel": "a kernel that runs nothing but this model",
    "hosted": "the kernel’s engine as a Linux process",
    "reference": "the NumPy reference",
}
_ENDINGS = {
    "eos": "the model draws the token that ends a text",
    "max_tokens": "the reply is as long as was asked for",
    "context": "the context is full",
    "stop": "the reply has a text that ends it",
}
_PLAIN = "MLP(<var>x</var>) = <var>W</var><sub>2</sub> {function}(<var>W</var><sub>1</sub> <var>x</var>)"
_GATED = (
    "MLP(<var>x</var>) = <var>W</var><sub>down</sub> ({function}(<var>W</var><sub>gate</sub> <var>x</var>) "
    "⊙ <var>W</var><sub>up</sub> <var>x</var>)"
)
_TITLE = 40
_SPACES = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥", "\r": "␍"})


def render(trace: Trace) -> str:
    """The HTML file. It has every text of the model escaped, and a CSP that allows its own script and style alone."""
    shown = shown_tokens(trace)

    def text(token: int) -> str:
        return shown.get(token, f"#{token}")

    return fill(
        "trace/page.html.j2",
        SCRIPTS,
        trace=trace,
        title=_title(trace),
        maker=_MAKERS.get(trace.source.made_by, trace.source.made_by),
        facts=_facts(trace),
        flow=_flow(trace),
        sections=[(name, title) for name, title in SECTIONS.items() if name != "weights" or trace.weights],
        tables=tables(trace, text),
        precision=precision(trace),
        ending=_ENDINGS.get(trace.reason, f"it ends ({trace.reason})"),
        **_words(trace),
        trace_json=Markup(to_json(trace)),
        shown_json=script_json(shown),
    )


def shown_tokens(trace: Trace) -> dict[int, str]:
    """How the page writes each token: spaces and line ends as signs, and bytes that are no text in hexadecimal."""
    text = str if trace.model.microgpt else _of_bytes
    shown = {token: _signs(text(piece)) for token, piece in trace.pieces.items()}
    for token in trace.tokens:
        shown[token.id] = _signs(_utf8(token.data)) or token.data.hex(" ").upper() or _signs(token.piece)
    return {token: sign or "∅" for token, sign in shown.items()}


def _of_bytes(piece: str) -> str:
    """The text of a piece of a byte-level BPE, whose characters stand for bytes; others as they are."""
    places = {char: byte for byte, char in enumerate(byte_chars())}
    if all(char in places for char in piece):
        return _utf8(bytes(places[char] for char in piece)) or piece
    return piece.replace("▁", " ")


def _utf8(data: bytes) -> str:
    """Empty for bytes that are no text."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return ""


def _signs(text: str) -> str:
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text.translate(_SPACES))


def _title(trace: Trace) -> str:
    text = "".join(char if char.isprintable() else " " for char in trace.prompt + trace.reply).strip()
    if len(text) <= _TITLE:
        return f"“{text}”"
    words, _, _ = text[: _TITLE + 1].rpartition(" ")
    return f"“{(words or text[:_TITLE]).rstrip()}…”"


def _flow(trace: Trace) -> list[tuple[str, str, str]]:
    """Section, name and size of each station on the way of one token."""
    m = trace.model
    return [
        ("tokens", "Tokens", f"{len(trace.tokens)}, of {m.n_vocab:,}"),
        ("embedding", "Vectors", f"{m.n_embd} numbers each"),
        ("attention", "Attention", f"{counted(m.n_head, 'head')} × {counted(m.n_layer, 'layer')}"),
        ("mlp", "MLP", f"{m.n_ff:,} neurons × {counted(m.n_layer, 'layer')}"),
        ("lens", "Logits", f"{m.n_vocab:,}"),
        ("draw", "Draw", "1 token"),
        ("reply", "Reply", counted(len(trace.draws), "token")),
    ]


def _facts(trace: Trace) -> list[tuple[str, str, str]]:
    """Name, text and kind of what the header says."""
    m, source = trace.model, trace.source
    made = {"kernel": "a kernel in QEMU", "hosted": "a Linux process", "reference": "the NumPy reference"}
    sizes = (
        f"{m.n_parameters:,} parameters, {counted(m.n_layer, 'layer')}, {counted(m.n_head, 'head')}, {m.n_embd} wide"
    )
    facts = [
        ("Model", f"{m.name} ({m.arch})", ""),
        ("Size", sizes, ""),
        ("Trace from", made.get(source.made_by, source.made_by) + (f", {source.isa}" if source.isa else ""), ""),
        _bits(source.same_bits),
        ("Settings", _settings(trace), "line"),
        ("Prompt", trace.prompt or "none", "wide"),
    ]
    if source.image_sha256:
        facts.append(("SHA-256 of the image", source.image_sha256, "wide"))
    facts.append(("SHA-256 of the model", m.sha256, "wide"))
    return facts


def _settings(trace: Trace) -> str:
    """Those that are set."""
    shown = {name: value for name, value in trace.settings.items() if value is not None and value not in ("", [], ())}
    numbers = {name: f"{value:g}" if isinstance(value, float) else value for name, value in shown.items()}
    return ", ".join(f"{name} {value}" for name, value in numbers.items())


def _bits(same: bool | None) -> tuple[str, str, str]:
    if same is None:
        return ("Compared", "with nothing", "")
    return ("Hosted run", "gave the same bits", "proof") if same else ("Hosted run", "gave other numbers", "unproved")


def _words(trace: Trace) -> dict[str, Any]:
    """What the text of the page says of this model."""
    m, settings = trace.model, trace.settings
    penalties = (("repeat_penalty", 1), ("frequency_penalty", 0), ("presence_penalty", 0))
    function = {"relu": "ReLU", "silu": "SiLU", "gelu": "GELU", "gelu_erf": "GELU"}.get(m.activation, m.activation)
    return {
        "unit": "bytes",
        "learned_positions": m.rope == "none",
        "norm_words": "scaled" if m.norm == "bare" else "normed",
        "scores": any(layer.q is not None for layer in trace.layers),
        "mlp_formula": Markup(_GATED if m.gated else _PLAIN).format(function=function),
        "penalties": any(settings.get(name, off) != off for name, off in penalties),
    }

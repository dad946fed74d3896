"""The numbers of a trace as tables: what a page shows without JavaScript, and what figures are checked against."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kgpt_build.explain.trace import Draw, Floats, Layer, Trace

Text = Callable[[int], str]  # of a token, by its id

_CANDIDATES = 20
_STRONGEST = 3
"""Of a language model: the rows of a draw, and the tokens that a head looks at most. A microgpt's tables have all."""


@dataclass(frozen=True)
class Table:
    """``rows`` begin with their names."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def tables(trace: Trace, text: Text) -> dict[str, list[Table]]:
    """The tables of each section. Those of a microgpt have every number of the trace."""
    whole = trace.model.microgpt
    found: dict[str, list[Table]] = {
        "tokens": list(_tokens(trace, text)),
        "embedding": _vectors(trace, [("embedding", trace.embedding)], text) if whole else [],
        "qkv": [table for layer in trace.layers for table in _heads(trace, layer, text)] if whole else [],
        "attention": [table for layer in trace.layers for table in _attention(trace, layer, text)],
        "mlp": [_neurons(trace, layer, text) for layer in trace.layers],
        "stream": [_lengths(trace, text), *(_streams(trace, text) if whole else [])],
        "lens": [_lens(trace, layer, text) for layer in trace.layers],
        "draw": [_draw(draw, trace, text) for draw in trace.draws],
        "reply": [_reply(trace, text)],
        "weights": [_matrix(name, weights) for name, weights in trace.weights.items()],
    }
    if whole:
        found["draw"] += _vectors(
            trace, [("logits", trace.logits)], text, [text(i) for i in range(trace.model.n_vocab)]
        )
    return found


def number(value: Any) -> str:
    """The shortest decimal that is this f32 and no other one."""
    return str(np.float32(value)).replace("-", "−")


def _numbers(values: Any) -> list[str]:
    return [number(value) for value in values]


def _position(trace: Trace, t: int, text: Text) -> str:
    return f"{t} {text(trace.tokens[t].id)}"


def _tokens(trace: Trace, text: Text) -> Iterator[Table]:
    rows = [
        (
            str(i),
            text(token.id),
            str(token.id),
            token.data.hex(" ").upper(),
            "prompt" if i < trace.n_prompt else "reply",
        )
        for i, token in enumerate(trace.tokens)
    ]
    yield Table("The tokens of the text", ("position", "token", "id", "bytes", "part"), rows)
    merges = [
        (str(i), str(step), _bytes(merge.left), _bytes(merge.right), str(merge.rank))
        for i, token in enumerate(trace.tokens)
        for step, merge in enumerate(token.merges, 1)
    ]
    if merges:
        yield Table("The merges of each token", ("position", "step", "left", "right", "rank"), merges)


def _bytes(data: bytes) -> str:
    return data.decode("utf-8") if data.isascii() else data.hex(" ").upper()


def _vectors(
    trace: Trace, named: Sequence[tuple[str, Floats | None]], text: Text, head: Sequence[str] | None = None
) -> list[Table]:
    """A table for each array (T, …), one row for each position."""
    made = []
    for name, array in named:
        if array is not None:
            flat = array.reshape(len(array), -1)
            columns = head or [str(i) for i in range(flat.shape[1])]
            rows = [(_position(trace, t, text), *_numbers(row)) for t, row in enumerate(flat)]
            made.append(Table(name, ("position", *columns), rows))
    return made


def _heads(trace: Trace, layer: Layer, text: Text) -> list[Table]:
    n, turned = layer.layer + 1, trace.model.rope != "none"
    named: list[tuple[str, Floats | None]] = [
        (f"Queries of layer {n}, head after head", layer.q),
        (f"Keys of layer {n}", layer.k),
        (f"Values of layer {n}", layer.v),
        (f"What the heads of layer {n} read", layer.attended),
    ]
    if turned:
        named += [(f"Queries of layer {n} before RoPE", layer.q_raw), (f"Keys of layer {n} before RoPE", layer.k_raw)]
    return _vectors(trace, named, text)


def _attention(trace: Trace, layer: Layer, text: Text) -> list[Table]:
    if not trace.model.microgpt:
        return [_strongest(trace, layer, text)]
    columns = [_position(trace, s, text) for s in range(trace.n_steps)]
    return [
        Table(
            f"Attention of layer {layer.layer + 1}, head {head + 1}: rows look at columns",
            ("position", *columns),
            [(columns[t], *_numbers(row[: t + 1])) for t, row in enumerate(weights)],
        )
        for head, weights in enumerate(layer.attention)
    ]


def _strongest(trace: Trace, layer: Layer, text: Text) -> Table:
    """What each head of the last position looks at most."""
    last = trace.n_steps - 1
    rows = []
    for head, weights in enumerate(layer.attention):
        order = np.argsort(-weights[last], kind="stable")[:_STRONGEST]
        rows.append((f"head {head + 1}", *(f"{_position(trace, int(s), text)}: {weights[last][s]:.4f}" for s in order)))
    caption = f"Layer {layer.layer + 1}: what position {_position(trace, last, text)} looks at most"
    return Table(caption, ("head", *(f"{i + 1}." for i in range(min(_STRONGEST, trace.n_steps)))), rows)


def _neurons(trace: Trace, layer: Layer, text: Text) -> Table:
    if trace.model.microgpt:
        (table,) = _vectors(trace, [(f"Neurons of layer {layer.layer + 1}", layer.activations)], text)
        return table
    last = trace.n_steps - 1
    pairs = zip(layer.neurons[last], layer.activations[last], strict=True)
    rows = [(str(neuron), number(value)) for neuron, value in pairs]
    return Table(f"Layer {layer.layer + 1}: the strongest neurons at the last position", ("neuron", "value"), rows)


def _lengths(trace: Trace, text: Text) -> Table:
    columns = [("embedding", trace.embedding_norm)]
    for layer in trace.layers:
        columns += [(f"{layer.layer + 1} attention", layer.norm_attention), (f"{layer.layer + 1} MLP", layer.norm_mlp)]
    rows = [(_position(trace, t, text), *(number(values[t]) for _, values in columns)) for t in range(trace.n_steps)]
    return Table("Length of the residual stream after each step", ("position", *(name for name, _ in columns)), rows)


def _streams(trace: Trace, text: Text) -> list[Table]:
    named: list[tuple[str, Floats | None]] = []
    for layer in trace.layers:
        named.append((f"The stream after attention of layer {layer.layer + 1}", layer.after_attention))
        named.append((f"The stream after the MLP of layer {layer.layer + 1}", layer.after_mlp))
    return _vectors(trace, [*named, ("The vector that the output matrix reads", trace.final)], text)


def _lens(trace: Trace, layer: Layer, text: Text) -> Table:
    count = layer.lens_ids.shape[1] if trace.model.microgpt else 1
    rows = []
    for t in range(trace.n_steps):
        pairs = zip(layer.lens_ids[t][:count], layer.lens_p[t][:count], strict=True)
        cells = [cell for token, p in pairs for cell in (text(int(token)), number(p))]
        rows.append((_position(trace, t, text), *cells))
    head = [name for i in range(count) for name in (f"{i + 1}. token", "probability")]
    return Table(f"The likeliest next tokens after layer {layer.layer + 1}", ("position", *head), rows)


def _draw(draw: Draw, trace: Trace, text: Text) -> Table:
    shares = {
        int(token): weight / np.float32(draw.total) for token, weight in zip(draw.kept, draw.weights, strict=True)
    }
    shown = len(draw.ids) if trace.model.microgpt else _CANDIDATES
    rows = [
        (
            text(token),
            str(token),
            number(draw.logits[i]),
            number(draw.adjusted[i]),
            _share(shares, token),
            _note(draw, token),
        )
        for i, token in enumerate(draw.ids.tolist()[:shown])
    ]
    drawn = "nothing is drawn" if draw.uniform is None else f"the random number is {number(draw.uniform)}"
    left = ", ".join(f"{name} {count:,}" for name, count in draw.left.items())
    caption = f"Position {_position(trace, draw.pos, text)}: tokens left by {left}; {drawn}"
    return Table(caption, ("token", "id", "logit", "after penalties", "probability", "note"), rows)


def _share(shares: dict[int, Any], token: int) -> str:
    return number(shares[token]) if token in shares else "removed"


def _note(draw: Draw, token: int) -> str:
    return "chosen" if token == draw.chosen else ""


def _reply(trace: Trace, text: Text) -> Table:
    rows = [
        (
            str(draw.pos + 1),
            text(draw.chosen),
            number(draw.weights[draw.place] / np.float32(draw.total)) if draw.place < len(draw.weights) else "rare",
            "" if draw.uniform is None else number(draw.uniform),
        )
        for draw in trace.draws
    ]
    return Table("The tokens of the reply", ("position", "token", "probability", "random number"), rows)


def _matrix(name: str, weights: Floats) -> Table:
    rows = [(str(r), *_numbers(row)) for r, row in enumerate(weights)]
    return Table(f"{name}, {weights.shape[0]} × {weights.shape[1]}", ("row", *map(str, range(weights.shape[1]))), rows)

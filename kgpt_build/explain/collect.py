"""Makes a trace of the events of a run (docs/events.md, ``mode=explain``)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kgpt_build.errors import FAILED, GuestFailed, KgptError, MachineLost
from kgpt_build.explain.pieces import Pieces
from kgpt_build.explain.trace import Draw, Floats, Ids, Layer, ModelFacts, Source, Trace, sizes
from kgpt_build.models import FloatArray, GgufModel
from kgpt_build.reference.lm_arch import ARCHITECTURES
from kgpt_build.words import counted

TOLD = frozenset(("explain", "tensor", "neurons", "lens", "lengths", "draw", "token", "sample"))
"""The events that the trace is made of: two runs that agree send the same lines."""

_SETTINGS = (
    *("temperature", "top_k", "typical_p", "top_p", "min_p", "repeat_penalty", "repeat_last_n", "frequency_penalty"),
    *("presence_penalty", "logit_bias", "grammar", "seed", "max_tokens", "context", "kv"),
)
_VECTORS = {
    "q_raw": "n_head",
    "k_raw": "n_head_kv",
    "v": "n_head_kv",
    "q": "n_head",
    "k": "n_head_kv",
    "attended": "n_head",
}
_STREAMS = {"attn": "after_attention", "ffn": "after_mlp"}
_FILTERS = ("top_k", "typical_p", "top_p", "min_p")


def told_lines(lines: Iterable[bytes]) -> list[bytes]:
    """The lines of the trace's events, in their order."""
    starts = tuple(b'{"event":"%s"' % name.encode() for name in sorted(TOLD))
    return [line.rstrip(b"\n") for line in lines if line.startswith(starts)]


def collect(
    lines: Iterable[bytes], model: GgufModel, source: Source, weights: Mapping[str, FloatArray] | None = None
) -> Trace:
    """The trace of a run of ``model`` that sent ``lines``. ``weights``: of a microgpt.

    Raises KgptError with the kernel's own words if it has refused, GuestFailed if it computed numbers that are not
    finite, and MachineLost if a part of the trace is missing.
    """
    events: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        event = json.loads(line)
        events[event["event"]].append(event)
    if told := next(iter(events["error"]), None):
        failed = any(event["code"] == FAILED for event in events["exit"])
        raise (GuestFailed if failed else KgptError)(told["message"], told["hint"])
    if not all(events[name] for name in ("model", "explain", "config", "lengths", "sample")):
        raise MachineLost("the run has ended before its trace was told", "kgpt -v explain prints the commands")
    return _Run(events, model).trace(source, weights or {})


def _floats(event: Mapping[str, Any], key: str = "f32") -> Floats:
    return np.frombuffer(bytes.fromhex(event[key]), "<f4").astype(np.float32)


def _ids(event: Mapping[str, Any], key: str = "u32") -> Ids:
    return np.frombuffer(bytes.fromhex(event[key]), "<u4").astype(np.int32)


class _Run:
    """The events of a run by name, and what they say together."""

    def __init__(self, events: Mapping[str, Sequence[dict[str, Any]]], model: GgufModel) -> None:
        self._events, self._model, self._pieces = events, model, Pieces(model)
        self._plan = events["explain"][0]
        self._n = len(events["lengths"])
        self._lengths = np.stack([_floats(event) for event in events["lengths"]])
        self._layers = _ids(self._plan, "layers").tolist()
        self._vectors = frozenset(_ids(self._plan, "vectors").tolist())
        self._told: dict[tuple[str, int], dict[int, Floats]] = defaultdict(dict)
        for event in events["tensor"]:
            self._told[event["what"], event["layer"]][event["pos"]] = _floats(event)
        self._lists: dict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for name in ("neurons", "lens"):
            for event in events[name]:
                self._lists[name, event["layer"]].append(event)

    def trace(self, source: Source, weights: Mapping[str, FloatArray]) -> Trace:
        config, sample, h = self._events["config"][0], self._events["sample"][0], self._model.hparams
        prompt = _ids(self._plan, "prompt").tolist()
        reply = [event["id"] for event in self._events["token"]]
        layers = tuple(self._layer(layer) for layer in self._layers)
        draws = tuple(_draw(event) for event in self._events["draw"])
        return Trace(
            source=source,
            model=self._facts(),
            settings={name: config[name] for name in _SETTINGS if name in config},
            prompt=config["prompt"],
            reply=sample["text"],
            reason=sample["reason"],
            n_prompt=len(prompt),
            tokens=tuple(
                self._pieces.token(token, merges=i < len(prompt)) for i, token in enumerate([*prompt, *reply])
            ),
            embedding_norm=self._lengths[:, 0],
            layers=layers,
            draws=draws,
            pieces=self._texts(layers, draws),
            embedding=self._stack("embed", 0),
            final=self._stack("norm", h.n_layer),
            logits=self._stack("logits", h.n_layer),
            weights=dict(weights),
            left_out=tuple(self._left_out(draws)),
        )

    def _stack(self, what: str, layer: int, *shape: int) -> Floats | None:
        """A part of every position, (T, *shape); None if it was left out."""
        told = self._told.get((what, layer))
        if told is None:
            return None
        if sorted(told) != list(range(self._n)):
            raise MachineLost(f"the trace lacks {what} of layer {layer}", "run it again")
        values: Floats = np.stack([told[pos] for pos in range(self._n)])
        return values.reshape(self._n, *shape) if shape else values

    def _list(self, name: str, layer: int) -> tuple[Ids, Floats]:
        events = self._lists[name, layer]
        if [event["pos"] for event in events] != list(range(self._n)):
            raise MachineLost(f"the trace lacks the {name} of layer {layer}", "run it again")
        return np.stack([_ids(event) for event in events]), np.stack([_floats(event) for event in events])

    def _layer(self, layer: int) -> Layer:
        h = self._model.hparams
        neurons, activations = self._list("neurons", layer)
        lens_ids, lens_p = self._list("lens", layer)
        vectors = {name: self._stack(name, layer, getattr(h, heads), h.head_dim) for name, heads in _VECTORS.items()}
        streams = {name: self._stack(what, layer) for what, name in _STREAMS.items()}
        return Layer(
            layer=layer,
            attention=self._attention(layer),
            neurons=neurons,
            activations=activations,
            norm_attention=self._lengths[:, 1 + 2 * layer],
            norm_mlp=self._lengths[:, 2 + 2 * layer],
            lens_ids=lens_ids,
            lens_p=lens_p,
            **vectors,
            **streams,
        )

    def _attention(self, layer: int) -> Floats:
        told, n_head = self._told["attention", layer], self._model.hparams.n_head
        if sorted(told) != list(range(self._n)):
            raise MachineLost(f"the trace lacks the attention of layer {layer}", "run it again")
        whole = np.zeros((n_head, self._n, self._n), np.float32)
        for pos, rows in told.items():
            whole[:, pos, : pos + 1] = rows.reshape(n_head, pos + 1)
        return whole

    def _facts(self) -> ModelFacts:
        h, model = self._model.hparams, self._model
        event, arch = self._events["model"][0], ARCHITECTURES[model.arch]
        base = model.header.fields.get(f"{model.arch}.rope.freq_base", 10000.0)
        turns = arch.rope != "none"
        return ModelFacts(
            name=event["name"],
            arch=model.arch,
            sha256=event["sha256"],
            microgpt=model.arch == "microgpt",
            **sizes(h),
            n_parameters=event["parameters"],
            rope=arch.rope,
            rope_dim=h.rope_dim if turns else 0,
            rope_base=float(base) if turns and isinstance(base, (int, float)) else 0.0,
            activation=arch.activation,
            gated=arch.fused_gate or any(tensor.name == "blk.0.ffn_gate.weight" for tensor in model.header.tensors),
            norm=arch.norm,
            attn_scale=_single(self._plan["attn_scale"]),
        )

    def _texts(self, layers: Sequence[Layer], draws: Sequence[Draw]) -> dict[int, str]:
        lists: list[npt.NDArray[Any]] = [layer.lens_ids for layer in layers]
        lists += [ids for draw in draws for ids in (draw.ids, draw.kept)]
        found = np.unique(np.concatenate([ids.ravel() for ids in lists])) if lists else np.empty(0, int)
        return {int(token): self._pieces.text(int(token)) for token in found}

    def _left_out(self, draws: Sequence[Draw]) -> Iterable[str]:
        n_layer, n_vocab = self._model.hparams.n_layer, self._model.hparams.n_vocab
        if missing := n_layer - len(self._layers):
            yield f"{counted(missing, 'layer')} of {n_layer}: --layers chooses those that are shown"
        if missing := len(self._layers) - len(self._vectors):
            yield f"queries, keys, values and the stream's numbers of {counted(missing, 'layer')}"
        if draws and len(draws[0].ids) < n_vocab:
            yield f"the logits of all but the {len(draws[0].ids)} likeliest of {n_vocab:,} tokens"


def _single(value: float) -> float:
    """The single whose shortest decimal ``value`` is."""
    return float(np.float32(value))


def _draw(event: Mapping[str, Any]) -> Draw:
    return Draw(
        pos=event["pos"],
        ids=_ids(event, "ids"),
        logits=_floats(event, "logits"),
        adjusted=_floats(event, "adjusted"),
        log_sum=event["log_sum"],
        left={name: event[name] for name in _FILTERS},
        kept=_ids(event, "kept"),
        weights=_floats(event, "weights"),
        total=_single(event["total"]),
        uniform=_single(event["uniform"]) if event["drawn"] else None,
        chosen=event["chosen"],
        place=event["place"],
        below=_single(event["below"]),
    )

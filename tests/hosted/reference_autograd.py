"""microgpt by scalar automatic differentiation: the independent reference of exact training.

Slow and plain on purpose: every number is a ``Value`` that remembers what it was made of, and the gradient walks back
over the graph. The order of every operation, and of every draw from ``random``, is microgpt's (A. Karpathy, 2026).
Nothing here is shared with the kernel or with ``kgpt_build``.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

Vector = list["Value"]
Matrix = list[Vector]


@dataclass(frozen=True)
class Functions:
    """Where exp, log and the rest come from: the C library by default, or the functions under test."""

    exp: Callable[[float], float] = math.exp
    log: Callable[[float], float] = math.log
    pow: Callable[[float, float], float] = math.pow
    sin: Callable[[float], float] = math.sin
    cos: Callable[[float], float] = math.cos
    sqrt: Callable[[float], float] = math.sqrt


@dataclass(frozen=True)
class Settings:
    """What microgpt has as constants, with its values."""

    n_layer: int = 1
    n_embd: int = 16
    n_head: int = 4
    block_size: int = 16
    seed: int = 42
    steps: int = 1000
    stop_after: int | None = None
    learning_rate: float = 0.01
    beta1: float = 0.85
    beta2: float = 0.99
    eps: float = 1e-8
    samples: int = 20
    temperature: float = 0.5


@dataclass
class Result:
    """A training run: the loss of each step, the weights in their order of creation, and the samples drawn after it."""

    losses: list[float] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)


class Value:
    """A number, what it was made of, and the derivative of it by each of its parts."""

    __slots__ = ("data", "grad", "locals", "parts")
    functions = Functions()

    def __init__(self, data: float, parts: tuple[Value, ...] = (), slopes: tuple[float, ...] = ()) -> None:
        self.data, self.grad = data, 0.0
        self.parts, self.locals = parts, slopes

    def __add__(self, other: Value | float) -> Value:
        right = other if isinstance(other, Value) else Value(other)
        return Value(self.data + right.data, (self, right), (1.0, 1.0))

    def __mul__(self, other: Value | float) -> Value:
        right = other if isinstance(other, Value) else Value(other)
        return Value(self.data * right.data, (self, right), (right.data, self.data))

    def __pow__(self, exponent: float) -> Value:
        power = self.functions.pow
        return Value(power(self.data, exponent), (self,), (exponent * power(self.data, exponent - 1),))

    def __truediv__(self, other: Value | float) -> Value:
        return self * (other**-1 if isinstance(other, Value) else self.functions.pow(other, -1))

    def __radd__(self, other: float) -> Value:
        return self + other

    def __rmul__(self, other: float) -> Value:
        return self * other

    def __sub__(self, other: float) -> Value:
        return self + (-other)

    def __neg__(self) -> Value:
        return self * -1.0

    def exp(self) -> Value:
        """e to the power of it."""
        power = self.functions.exp(self.data)
        return Value(power, (self,), (power,))

    def log(self) -> Value:
        """Its natural logarithm."""
        return Value(self.functions.log(self.data), (self,), (1 / self.data,))

    def relu(self) -> Value:
        """Itself if positive, else 0."""
        return Value(max(0.0, self.data), (self,), (float(self.data > 0),))

    def backward(self) -> None:
        """Adds the derivative of it by every value it depends on to that value's ``grad``: last made first."""
        order: list[Value] = []
        seen = {self}
        # Depth first, without recursion: a graph is deeper than Python's stack.
        path = [(self, iter(self.parts))]
        while path:
            value, parts = path[-1]
            for part in parts:
                if part not in seen:
                    seen.add(part)
                    path.append((part, iter(part.parts)))
                    break
            else:
                order.append(value)
                path.pop()
        self.grad = 1.0
        for value in reversed(order):
            for part, slope in zip(value.parts, value.locals, strict=True):
                part.grad += slope * value.grad


class Random(random.Random):
    """CPython's generator, with ``gauss`` by the functions under test."""

    def __init__(self, seed: int, functions: Functions) -> None:
        super().__init__(seed)
        self.functions = functions
        self.second: float | None = None

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Box and Muller's pair, one after the other."""
        z, self.second = self.second, None
        if z is None:
            angle = self.random() * (2.0 * math.pi)
            radius = self.functions.sqrt(-2.0 * self.functions.log(1.0 - self.random()))
            z = self.functions.cos(angle) * radius
            self.second = self.functions.sin(angle) * radius
        return mu + z * sigma


def linear(x: Vector, weights: Matrix) -> Vector:
    """One dot product a row."""
    return [_sum(w * v for w, v in zip(row, x, strict=True)) for row in weights]


def softmax(logits: Vector) -> Vector:
    """Probabilities."""
    highest = max(value.data for value in logits)
    powers = [(value - highest).exp() for value in logits]
    total = _sum(powers)
    return [power / total for power in powers]


def rmsnorm(x: Vector) -> Vector:
    """Root mean square 1."""
    mean = _sum(value * value for value in x) / len(x)
    scale = (mean + 1e-5) ** -0.5
    return [value * scale for value in x]


def _sum(values: Iterator[Value] | Vector) -> Value:
    total = Value(0.0)
    for index, value in enumerate(values):
        total = value + 0.0 if index == 0 else total + value
    return total


class Transformer:
    """The parameters, and the graph of one token's logits."""

    def __init__(self, settings: Settings, n_vocab: int, rng: random.Random) -> None:
        def matrix(rows: int, columns: int) -> Matrix:
            return [[Value(rng.gauss(0, 0.08)) for _ in range(columns)] for _ in range(rows)]

        d = settings.n_embd
        self.settings = settings
        self.wte, self.wpe = matrix(n_vocab, d), matrix(settings.block_size, d)
        self.lm_head = matrix(n_vocab, d)
        shapes = {"wq": (d, d), "wk": (d, d), "wv": (d, d), "wo": (d, d), "fc1": (4 * d, d), "fc2": (d, 4 * d)}
        self.layers = [{name: matrix(*shape) for name, shape in shapes.items()} for _ in range(settings.n_layer)]
        matrices = [self.wte, self.wpe, self.lm_head, *(m for layer in self.layers for m in layer.values())]
        self.parameters = [value for m in matrices for row in m for value in row]

    def logits(self, token: int, position: int, keys: list[Matrix], values: list[Matrix]) -> Vector:
        """Of the token after this one; appends to ``keys`` and ``values``, one list a layer."""
        x = rmsnorm([t + p for t, p in zip(self.wte[token], self.wpe[position], strict=True)])
        for layer, layer_keys, layer_values in zip(self.layers, keys, values, strict=True):
            before = x
            x = rmsnorm(x)
            q = linear(x, layer["wq"])
            layer_keys.append(linear(x, layer["wk"]))
            layer_values.append(linear(x, layer["wv"]))
            x = linear(self._attend(q, layer_keys, layer_values), layer["wo"])
            x = [a + b for a, b in zip(x, before, strict=True)]
            before = x
            x = linear(rmsnorm(x), layer["fc1"])
            x = linear([value.relu() for value in x], layer["fc2"])
            x = [a + b for a, b in zip(x, before, strict=True)]
        return linear(x, self.lm_head)

    def _attend(self, q: Vector, keys: Matrix, values: Matrix) -> Vector:
        size = self.settings.n_embd // self.settings.n_head
        out: Vector = []
        for start in range(0, self.settings.n_embd, size):
            columns = range(start, start + size)
            scores = [_sum(q[j] * key[j] for j in columns) / Value.functions.pow(size, 0.5) for key in keys]
            weights = softmax(scores)
            out.extend(_sum(w * value[j] for w, value in zip(weights, values, strict=True)) for j in columns)
        return out


def train(documents: Sequence[str], settings: Settings, functions: Functions | None = None) -> Result:
    """Train from the start as microgpt does, for ``stop_after`` of the ``steps``, then draw the samples."""
    Value.functions = functions or Functions()
    rng = Random(settings.seed, functions) if functions else random.Random(settings.seed)
    docs = list(documents)
    rng.shuffle(docs)
    chars = sorted(set("".join(docs)))
    model = Transformer(settings, len(chars) + 1, rng)
    result = Result()
    moments = [[0.0, 0.0] for _ in model.parameters]
    for step in range(settings.steps if settings.stop_after is None else settings.stop_after):
        loss = _loss(model, [len(chars), *map(chars.index, docs[step % len(docs)]), len(chars)])
        loss.backward()
        _adam(model.parameters, moments, step, settings)
        result.losses.append(loss.data)
    result.weights = [value.data for value in model.parameters]
    result.samples = [_sample(model, chars, rng) for _ in range(settings.samples)]
    return result


def _loss(model: Transformer, tokens: list[int]) -> Value:
    n = min(model.settings.block_size, len(tokens) - 1)
    keys: list[Matrix] = [[] for _ in model.layers]
    values: list[Matrix] = [[] for _ in model.layers]
    losses = []
    for position in range(n):
        probabilities = softmax(model.logits(tokens[position], position, keys, values))
        losses.append(-probabilities[tokens[position + 1]].log())
    return (1 / n) * _sum(losses)


def _adam(parameters: Vector, moments: list[list[float]], step: int, settings: Settings) -> None:
    power = Value.functions.pow
    rate = settings.learning_rate * (1 - step / settings.steps)
    correction1, correction2 = (1 - power(beta, step + 1) for beta in (settings.beta1, settings.beta2))
    for value, moment in zip(parameters, moments, strict=True):
        moment[0] = settings.beta1 * moment[0] + (1 - settings.beta1) * value.grad
        moment[1] = settings.beta2 * moment[1] + (1 - settings.beta2) * power(value.grad, 2)
        value.data -= rate * (moment[0] / correction1) / (power(moment[1] / correction2, 0.5) + settings.eps)
        value.grad = 0.0


def _sample(model: Transformer, chars: list[str], rng: random.Random) -> str:
    keys: list[Matrix] = [[] for _ in model.layers]
    values: list[Matrix] = [[] for _ in model.layers]
    text, token = "", len(chars)
    for position in range(model.settings.block_size):
        logits = model.logits(token, position, keys, values)
        weights = softmax([value / model.settings.temperature for value in logits])
        token = rng.choices(range(len(chars) + 1), weights=[weight.data for weight in weights])[0]
        if token == len(chars):
            break
        text += chars[token]
    return text


def read_documents(path: Path) -> list[str]:
    """The lines of a file, without the empty ones."""
    return [line.strip() for line in path.read_text(encoding="utf-8").strip().split("\n") if line.strip()]


def main() -> None:
    """Write the result of one run as JSON: run once by hand for the long comparison."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("output", type=Path)
    for name, value in asdict(Settings()).items():
        parser.add_argument(
            "--" + name.replace("_", "-"), type=type(value) if value is not None else int, default=value
        )
    words = vars(parser.parse_args())
    corpus, output = words.pop("corpus"), words.pop("output")
    output.write_text(json.dumps(asdict(train(read_documents(corpus), Settings(**words)))))


if __name__ == "__main__":
    main()

"""The page of a trace as text: what it allows, escapes, and shows without JavaScript."""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from explain_traces import HOSTILE, hostile_trace, lm_trace, names_trace

from kgpt_build.explain import training_page
from kgpt_build.explain.choose import REST_BYTES, table_bytes
from kgpt_build.explain.encode import from_json, to_json
from kgpt_build.explain.frame import content_hash
from kgpt_build.explain.microgpt import reference_trace
from kgpt_build.explain.page import SCRIPTS, SECTIONS, render, shown_tokens
from kgpt_build.explain.trace import Floats, Trace
from kgpt_build.models import DEFAULT_MODEL, load_microgpt
from kgpt_build.reference.sampler import Sampling

TAGS = {
    *(
        "html",
        "meta",
        "title",
        "link",
        "style",
        "body",
        "a",
        "div",
        "header",
        "p",
        "h1",
        "h2",
        "h3",
        "button",
        "dl",
        "dt",
    ),
    *(
        "dd",
        "code",
        "noscript",
        "label",
        "select",
        "nav",
        "ol",
        "ul",
        "li",
        "main",
        "section",
        "span",
        "sub",
        "sup",
        "var",
    ),
    *(
        "figure",
        "figcaption",
        "input",
        "output",
        "details",
        "summary",
        "table",
        "caption",
        "thead",
        "tbody",
        "tr",
        "th",
    ),
    *("td", "b", "i", "kbd", "script", "small"),
}


TRACES: dict[str, Callable[[], Trace]] = {"names": names_trace, "hostile": hostile_trace, "lm": lm_trace}


class Page(HTMLParser):
    """The elements of a page, and the texts of its scripts, styles, cells and captions."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str]] = []
        self.texts: dict[str, list[str]] = {tag: [] for tag in ("script", "style", "td", "th", "h1", "code")}
        self._open = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(name, value or "") for name, value in attrs]
        self._open = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""

    def handle_data(self, data: str) -> None:
        if self._open in self.texts:
            self.texts[self._open][-1] += data


@cache
def text(which: str) -> str:
    return render(TRACES[which]())


@cache
def page(which: str) -> Page:
    return Page(text(which))


def test_a_microgpt_is_below_a_megabyte_and_a_language_model_of_64_tokens_below_five() -> None:
    assert len(text("names").encode()) < 1_000_000
    assert len(text("lm").encode()) < 5_000_000


@pytest.mark.parametrize("n_layer", [30, 80])
def test_tables_are_as_large_as_the_choice_of_layers_presumes(n_layer: int) -> None:
    trace = lm_trace(n_layer, n_prompt=1)
    rest = len(render(trace).encode()) - len(to_json(trace))
    assert rest < REST_BYTES + n_layer * table_bytes(trace.model.n_head, trace.n_steps)


@pytest.mark.parametrize("which", ["names", "hostile", "lm"])
def test_the_policy_allows_the_script_and_the_style_alone(which: str) -> None:
    found = page(which)
    (policy,) = [value for name, value in found.attributes if name == "content" and "default-src" in value]
    trace, shown, script = found.texts["script"]
    (style,) = found.texts["style"]
    assert policy.startswith("default-src 'none'; ")
    assert f"script-src '{content_hash(script)}'; style-src '{content_hash(style)}';" in policy
    assert json.loads(trace)["format"] == "kgpt-trace"
    assert json.loads(shown)
    assert not [value for name, value in found.attributes if name == "src" or name == "style" or name.startswith("on")]
    assert {value[:1] for name, value in found.attributes if name == "href"} == {"#", "d"}  # data: is the empty icon
    assert "</" not in script
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|import|eval|innerHTML)\b", script)


def test_texts_of_a_model_make_no_elements() -> None:
    ours, theirs = page("names"), page("hostile")
    assert set(theirs.tags) <= TAGS
    for tag in ("script", "style", "img", "td", "tr", "button", "a"):
        assert theirs.tags[tag] == ours.tags[tag], tag
    assert HOSTILE[0] in theirs.texts["h1"][0]
    shown = json.loads(theirs.texts["script"][1])
    assert {HOSTILE[0], HOSTILE[1], "{{␣7␣*␣7␣}}", "\\x2028", "\\x00\\x1b[0m"} <= set(shown.values())
    assert to_json(from_json(theirs.texts["script"][0])) == to_json(hostile_trace())


def floats(trace: Trace) -> dict[str, Floats]:
    """Every array of a trace of a microgpt whose numbers a reader should find."""
    found = {name: getattr(trace, name) for name in ("embedding", "final", "logits", "embedding_norm")}
    for layer in trace.layers:
        for name in ("q", "k", "v", "attended", "activations", "after_attention", "after_mlp", "lens_p"):
            found[f"{layer.layer} {name}"] = getattr(layer, name)
        found[f"{layer.layer} attention"] = layer.attention[:, *np.tril_indices(trace.n_steps)]
    for draw in trace.draws:
        found[f"{draw.pos} logits"] = draw.logits
        found[f"{draw.pos} p"] = draw.weights / np.float32(draw.total)
        if draw.uniform is not None:
            found[f"{draw.pos} uniform"] = np.array([draw.uniform], np.float32)
    return {**found, **trace.weights}


def test_tables_have_every_number_of_a_microgpt() -> None:
    """Each as often as the trace has it at least, and exactly."""
    captions = " ".join(re.findall(r"the random number is ([0-9.e−-]+)", text("names")))
    cells = [cell.strip() for cell in [*page("names").texts["td"], *captions.split()]]
    numbers = Counter(
        np.float32(cell.replace("−", "-")).tobytes() for cell in cells if re.fullmatch(r"[−0-9.]+(?:e[−+0-9]+)?", cell)
    )
    for name, array in floats(names_trace()).items():
        wanted = Counter(value.tobytes() for value in np.asarray(array, np.float32).ravel())
        assert not [np.frombuffer(value, np.float32) for value in wanted if numbers[value] < wanted[value]], name


def test_tables_of_a_language_model_name_what_each_head_looks_at() -> None:
    trace, cells = lm_trace(), set(page("lm").texts["td"])
    last, shown = trace.n_steps - 1, shown_tokens(trace)
    for layer in trace.layers:
        for weights in layer.attention:
            s = int(np.argmax(weights[last]))
            assert f"{s} {shown[trace.tokens[s].id]}: {weights[last][s]:.4f}" in cells


def test_the_header_says_where_the_numbers_come_from() -> None:
    assert lm_trace().source.image_sha256 in page("lm").texts["code"]
    assert lm_trace().model.sha256 in page("lm").texts["code"]
    assert "gave the same bits" in text("lm")
    assert "a kernel in QEMU, avx2" in text("lm")
    assert "gave the same bits" not in text("names")


def test_sections_are_numbered_and_a_language_model_has_no_weights() -> None:
    for which, count in (("names", len(SECTIONS)), ("lm", len(SECTIONS) - 1)):
        sections = re.findall(r'<section id="([a-z-]+)" aria-labelledby="title-\1">', text(which))
        assert sections[:count] == list(SECTIONS)[:count]
        assert text(which).count('<p class="formula">') == count + (which == "lm")  # RoPE has its own
    assert "RoPE turns queries" not in text("names")
    assert "What was left out" in text("lm")


def test_tokens_are_shown_as_texts() -> None:
    shown = shown_tokens(lm_trace())
    assert shown[1] == "<|im_start|>"
    assert shown[1999] == "␣w1999"


def test_bytes_that_are_no_text_are_shown_in_hexadecimal() -> None:
    trace = lm_trace()
    broken = dataclasses.replace(trace.tokens[0], id=7, data=b" \xd7")
    assert shown_tokens(dataclasses.replace(trace, tokens=(broken,)))[7] == "20 D7"


def test_every_asset_is_part_of_a_page() -> None:
    folder = Path(str(resources.files("kgpt_build.explain"))) / "assets"
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")}
    templates = {"parts.html.j2", "trace/page.html.j2", "training/page.html.j2"}
    assert files == {*SCRIPTS, *training_page.SCRIPTS, *templates, "style.css"}


def test_the_tour_tells_the_numbers_of_the_trace() -> None:
    """docs/explain.md, of the names that begin with mar."""
    tour = (Path(__file__).parents[2] / "docs" / "explain.md").read_text()
    model = load_microgpt(DEFAULT_MODEL)
    trace = reference_trace(model, "mar", sampling=Sampling(0.5), seed=16)
    (layer,), second = trace.layers, trace.draws[1]
    shares = {
        trace.pieces[int(token)]: weight / second.total
        for token, weight in zip(second.kept, second.weights, strict=True)
    }
    firing = (layer.activations != 0).sum(axis=1)
    assert trace.reply == "iana"
    assert f"{model.n_parameters:,} numbers" in tour
    assert second.uniform is not None
    told = [
        *(f"{100 * layer.attention[head][4][s]:.1f} %" for head, s in ((0, 3), (0, 2), (3, 3))),
        *(f"`{letter}` {100 * shares[letter]:.1f} %" for letter in "na"),
        f"{100 * shares['<BOS>']:.1f} %",
        f"the random number {second.uniform:.3f}".replace("the", "The"),
        f"goes from 4 to {layer.norm_attention[7]:.1f} by attention and to {layer.norm_mlp[7]:.1f} by",
        f"{['none', 'one', 'two'][firing[4]]} of 64 fire at the `i`, {firing[7]} at the last letter",
    ]
    assert [words for words in told if words not in " ".join(tour.split())] == []
    assert firing[0] == 0

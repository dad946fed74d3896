"""The page of a trace in a headless Chromium: figures, keys, sliders, widths, and what the browser says of it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pace
import pytest
from chromium import Browser, browsing
from explain_pages import CELLS, OPEN_SECONDS, assert_quiet, assert_readable, open_page, value_of
from explain_traces import hostile_trace, lm_trace, names_trace
from hosted import Hosted
from test_explain import traced
from tiny_lm import write_lm

from kgpt_build.cli import invoke
from kgpt_build.explain.page import SECTIONS, render, shown_tokens
from kgpt_build.explain.trace import Trace
from kgpt_build.models import DEFAULT_MODEL
from kgpt_build.reference.lm_arch import ARCHITECTURES
from kgpt_build.reference.lm_sampler import LmSampling, candidates
from kgpt_build.reference.rng import Xoshiro

pytestmark = pytest.mark.slow

CONTROLS = """[...document.querySelectorAll("button, select, input, summary, a, [tabindex='0']")]
  .filter(node => node.checkVisibility() && !node.disabled && node.tabIndex === 0)
  .map((node, i) => node.dataset.stop = String(i))"""
FOCUSED = """(node => node.dataset.stop && [node.dataset.stop,
  node.matches(":focus-visible") && getComputedStyle(node).outlineStyle !== "none"])(document.activeElement)"""
CORNER = """(box => ({x: box.width - 10, y: box.height - 10}))(
  document.querySelector("#attention-figure canvas").getBoundingClientRect())"""
NAMED = ("img", "application", "button", "combobox", "slider", "region", "link", "table")
"""Roles that need a name for a screen reader."""
DRAWS = """kgpt.trace.draws.map(draw => {
  const found = kgpt.sample(kgpt.values(draw.adjusted), kgpt.trace.settings, draw.uniform);
  return [kgpt.values(draw.ids)[found.places[found.chosen]], found.total, found.left];
})"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


def opened(browser: Browser, trace: Trace, folder: Path, width: int = 1280, look: str = "light") -> None:
    """Open the page of ``trace``."""
    open_page(browser, render(trace), folder, width, look)


def outputs(browser: Browser, figure: str) -> str:
    return browser.text(f"#{figure} + *")


@pytest.mark.parametrize("trace", [names_trace, hostile_trace, lm_trace], ids=lambda make: make.__name__)
def test_a_page_opens_at_once_without_errors_or_network(browser: Browser, tmp_path: Path, trace: Any) -> None:
    opened(browser, trace(), tmp_path)
    assert browser.run("kgpt.opened") / 1000 < pace.limit(OPEN_SECONDS)
    assert_quiet(browser, tmp_path)
    refused = "fetch('data:,x').then(() => 'loaded', error => error.name)"
    assert browser.run(refused) == "TypeError"  # the policy forbids even this
    assert browser.complaints
    assert all("Content Security Policy" in complaint for complaint in browser.complaints)
    assert len(browser.requests) == 1
    assert browser.run("document.querySelectorAll('main > section .formula').length") >= len(SECTIONS) - 1


def test_grids_have_the_numbers_of_the_trace(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    opened(browser, trace, tmp_path)
    (layer,) = trace.layers
    assert layer.q is not None
    assert trace.embedding is not None
    t, shown = browser.run("kgpt.state.position"), shown_tokens(trace)
    for head in range(trace.model.n_head):
        browser.page(("selectOption", "#head", {"value": str(head)}))
        cells = browser.run(f"{CELLS}('attention-figure')")
        read = [value_of(cell.rpartition(" = ")[0]) for cell in cells if " = " in cell]
        np.testing.assert_array_equal(read, layer.attention[head][np.tril_indices(trace.n_steps)])
        query = [value_of(cell) for cell in browser.run(f"{CELLS}('qkv-figure')") if cell.startswith("query")]
        np.testing.assert_array_equal(query, layer.q[t, head])
    normed = [value_of(cell) for cell in browser.run(f"{CELLS}('embedding-figure')") if cell.startswith("normed")]
    np.testing.assert_array_equal(normed, trace.embedding[t])
    neurons = [value_of(cell) for cell in browser.run(f"{CELLS}('neurons-figure')")]
    np.testing.assert_array_equal(neurons, layer.activations[t])
    for index, (name, weights) in enumerate(trace.weights.items()):
        browser.page(("selectOption", "#matrix", {"value": str(index)}))
        cells = browser.run(f"{CELLS}('weights-figure')")
        assert cells[0].startswith(f"{name}[0, 0] = ")
        np.testing.assert_array_equal([value_of(cell) for cell in cells], weights.ravel())
    tokens = browser.run("[...document.querySelectorAll('#tokens-figure .glyph')].map(node => node.textContent)")
    assert tokens == [shown[token.id] for token in trace.tokens]


def test_a_chosen_row_of_weights_sums_to_the_number_of_the_trace(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    opened(browser, trace, tmp_path)
    names = [name for name in trace.weights if name not in ("wte", "wpe", "layer0.mlp_fc1")]
    for name in names:
        index = list(trace.weights).index(name)
        browser.page(("selectOption", "#matrix", {"value": str(index)}))
        words = browser.text("#sum-text").replace("−", "-")
        computed = float(words.partition("sums to ")[2].partition(";")[0])
        told = float(words.partition("the trace has ")[2].partition(" ")[0])
        assert computed == pytest.approx(told, rel=2e-3, abs=2e-5), name


def test_pointer_and_keys_read_and_choose(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    opened(browser, trace, tmp_path)
    corner = browser.run(CORNER)
    browser.hover("#attention-figure canvas", position=corner)
    last = trace.n_steps - 1
    assert f"({last}) looks at" in outputs(browser, "attention-figure")
    browser.click("#attention-figure canvas", position=corner)
    assert browser.run("kgpt.state.position") == last
    browser.click("#strip > :nth-child(2)")
    assert browser.run("kgpt.state.position") == 1
    browser.press("End")
    assert browser.run("kgpt.state.position") == last
    browser.focus("#strip [aria-current]")
    browser.press("ArrowLeft")
    assert browser.run("kgpt.state.position") == last - 1
    assert browser.run("document.activeElement === document.querySelector('#strip [aria-current]')")
    browser.focus("#arcs")
    browser.press("ArrowLeft", "ArrowDown")
    chosen = "[kgpt.state.position, kgpt.state.head, document.getElementById('head').value]"
    assert browser.run(chosen) == [last - 2, 1, "1"]
    browser.focus("#attention-figure")
    browser.press("Home", "ArrowUp", "Enter")
    assert browser.run("kgpt.state.position") != last - 2


def test_every_control_is_reached_by_the_tab_key(browser: Browser, tmp_path: Path) -> None:
    opened(browser, names_trace(), tmp_path)
    wanted = set(browser.run(CONTROLS))
    reached = set()
    browser.run("document.activeElement.blur()")
    for _ in range(2 * len(wanted)):
        browser.press("Tab")
        found = browser.run(FOCUSED)
        if found:
            assert found[1], browser.run("document.activeElement.outerHTML.slice(0, 99)")
            reached.add(found[0])
    assert reached == wanted


def test_figures_and_controls_have_names(browser: Browser, tmp_path: Path) -> None:
    """As the browser tells them to a screen reader."""
    opened(browser, lm_trace(), tmp_path)
    browser.run("document.querySelector('details').open = true")
    tree = browser.page(("locator", "body"), ("ariaSnapshot",))
    found = re.findall(r'^ *- \'?([a-z]+)(?: "(.*)")?', tree, re.MULTILINE)
    assert {role for role, _ in found} >= set(NAMED)
    assert [role for role, name in found if role in NAMED and not name.strip()] == []


def test_the_slider_of_the_temperature_changes_the_choice(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    opened(browser, trace, tmp_path)
    t = browser.run("kgpt.state.position")
    (draw,) = [draw for draw in trace.draws if draw.pos == t]
    shown = shown_tokens(trace)
    assert f"“{shown[draw.chosen]}”" in browser.text("#draw-text")
    browser.focus("#knob-temperature")
    browser.press("Home")
    told = browser.text("#draw-text")
    assert told.startswith(f"Next token: “{shown[int(draw.ids[0])]}” with 100.0 %. Temperature 0 takes the likeliest")
    browser.click("#reset")
    assert f"“{shown[draw.chosen]}”" in browser.text("#draw-text")
    browser.run("kgpt.choose({position: 0})")
    hidden = "['draw-figure', 'no-draw'].map(id => document.getElementById(id).hidden)"
    assert browser.run(hidden) == [True, False]


def test_merges_lead_to_the_token(browser: Browser, tmp_path: Path) -> None:
    opened(browser, lm_trace(), tmp_path)
    browser.run("kgpt.choose({position: 3})")
    pieces = "[...document.querySelectorAll('#merge-figure .glyph')].map(node => node.textContent)"
    wanted = [["␣", "a", "b", "2", "c"], ["␣a", "b", "2", "c"], ["␣a", "b2", "c"], ["␣ab2", "c"], ["␣ab2c"]]
    browser.focus("#merge-step")
    browser.press("Home")
    for expected in wanted:
        assert browser.run(pieces) == expected
        browser.press("ArrowRight")
    assert "the rank of this merge is 31" in browser.text("#merge-text")


def test_play_steps_to_the_end(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    opened(browser, trace, tmp_path)
    browser.run(f"kgpt.choose({{position: {trace.n_steps - 3}}})")
    browser.click("#play")
    browser.waits_for(f"kgpt.state.position === {trace.n_steps - 1}")
    browser.waits_for("document.getElementById('play').getAttribute('aria-pressed') === 'false'")


def test_the_sampler_is_the_hosts(browser: Browser, tmp_path: Path) -> None:
    """The same candidates, weights and choice to the bit, for logits and settings of every kind."""
    opened(browser, names_trace(), tmp_path)
    rng = np.random.default_rng(11)
    for case in range(60):
        n = int(rng.choice([2, 27, 300]))
        logits = -np.sort(-(rng.standard_normal(n) * rng.choice([0.1, 2, 40])).astype(np.float32))
        sampling = LmSampling(
            temperature=float(rng.choice([0.0, 0.05, 0.7, 1.0, 3.0])),
            top_k=int(rng.choice([0, 1, 5, 40])),
            typical_p=float(rng.choice([1.0, 1.0, 0.4])),
            top_p=float(rng.choice([1.0, 0.95, 0.3])),
            min_p=float(rng.choice([0.0, 0.05, 0.5])),
        )
        found, uniform = candidates(logits, sampling), Xoshiro(case).uniform()
        running = np.cumsum(found.weights, dtype=np.float32)
        place = min(int(np.searchsorted(running, uniform * found.total, side="right")), len(found.ids) - 1)
        settings = {name: getattr(sampling, name) for name in ("temperature", "top_k", "typical_p", "top_p", "min_p")}
        call = (
            f"kgpt.sample(Float32Array.from({json.dumps(logits.tolist())}), {json.dumps(settings)}, {float(uniform)!r})"
        )
        told = browser.run(f"(found => ({{...found, weights: [...found.weights], p: [...found.p]}}))({call})")
        assert told["places"] == found.ids.tolist(), sampling
        np.testing.assert_array_equal(np.array(told["weights"], np.float32), found.weights)
        np.testing.assert_array_equal(np.array(told["p"], np.float32), found.p)
        assert np.float32(told["total"]) == found.total
        assert told["chosen"] == (place if sampling.temperature else 0)


@pytest.mark.parametrize("make", [names_trace, lm_trace], ids=lambda make: make.__name__)
def test_every_draw_of_the_trace_comes_out_again(browser: Browser, tmp_path: Path, make: Any) -> None:
    trace = make()
    opened(browser, trace, tmp_path)
    again = browser.run(DRAWS)
    assert [token for token, _, _ in again] == [draw.chosen for draw in trace.draws]
    assert [np.float32(total) for _, total, _ in again] == [np.float32(draw.total) for draw in trace.draws]
    assert [left for _, _, left in again] == [dict(draw.left) for draw in trace.draws]


@pytest.mark.parametrize("look", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280, 2560])
@pytest.mark.parametrize("make", [names_trace, hostile_trace, lm_trace], ids=lambda make: make.__name__)
def test_the_page_can_be_read(browser: Browser, tmp_path: Path, make: Any, width: int, look: str) -> None:
    opened(browser, make(), tmp_path, width, look)
    assert browser.run("document.documentElement.dataset.look") == look
    assert_readable(browser, width, tmp_path / "page.png")


def test_the_switch_of_the_look_is_kept(browser: Browser, tmp_path: Path) -> None:
    opened(browser, names_trace(), tmp_path)
    browser.click("#look")
    assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(16, 18, 20)"
    browser.page(("reload",))
    assert browser.run("document.documentElement.dataset.look") == "dark"
    browser.click("#look")
    assert browser.run("document.documentElement.dataset.look") == "light"


def test_the_page_that_the_tour_makes(browser: Browser, tmp_path: Path) -> None:
    """From a kernel in QEMU, which gave the bits of the hosted program; docs/explain.md tells these numbers."""
    path = tmp_path / "mariana.html"
    words = ["explain", "--default", "--prompt", "mar", "--seed", "16", "-o", str(path)]
    assert invoke(words) == 0
    open_page(browser, path.read_text(), tmp_path)
    assert_quiet(browser, tmp_path)
    assert browser.run("[kgpt.trace.source.made_by, kgpt.trace.source.same_bits]") == ["kernel", True]
    assert browser.text("#arcs-text").startswith("“i” looks most at “r” (3) 66.9 %, “a” (2) 29.0 %")
    assert browser.text("#neurons-text") == "2 of 64 neurons are not zero."
    assert browser.text("#draw-text").startswith("Next token: “a” with 15.6 %. The random number 0.6781")
    sampled = [[draw[0], np.float32(draw[1])] for draw in browser.run(DRAWS)]
    draws = browser.run("kgpt.trace.draws.map(draw => [draw.chosen, draw.total])")
    assert sampled == [[token, np.float32(total)] for token, total in draws]


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_pages_of_every_architecture(browser: Browser, without_model: Hosted, tmp_path: Path, arch: str) -> None:
    """Of tiny models, by the engine: each figure is shown for each layer, and each draw comes out again."""
    path = DEFAULT_MODEL if arch == "microgpt" else write_lm(tmp_path / "m.gguf", arch)
    trace = traced(without_model, path, "prompt=ab max_tokens=6 temperature=0.9 seed=3")
    opened(browser, trace, tmp_path)
    for layer in range(len(trace.layers)):
        browser.run(f"kgpt.choose({{layer: {layer}, head: {trace.model.n_head - 1}, position: {trace.n_steps - 1}}})")
        assert browser.run("document.getElementById('neurons-bars').children.length")
    assert_quiet(browser, tmp_path)
    told = [[draw.chosen, np.float32(draw.total)] for draw in trace.draws]
    assert [[token, np.float32(total)] for token, total, _ in browser.run(DRAWS)] == told
    turned = browser.run("Boolean(document.getElementById('rope') && !document.getElementById('rope').hidden)")
    assert turned == (trace.model.rope != "none"), trace.model.rope


def test_a_trace_without_draws_has_a_page(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    opened(browser, dataclasses.replace(trace, draws=(), tokens=trace.tokens[: trace.n_steps]), tmp_path)
    assert_quiet(browser, tmp_path)
    assert browser.run("document.getElementById('first-draw').hidden")


def test_without_javascript_the_tables_are_there(browser: Browser, tmp_path: Path) -> None:
    trace = names_trace()
    path = tmp_path / "page.html"
    path.write_text(render(trace), encoding="utf-8")
    browser.open(javaScriptEnabled=False)
    browser.visit(path.as_uri())
    assert_quiet(browser, tmp_path)
    seen = browser.page(("innerText", "body"))
    assert "Without JavaScript this page has no figures" in seen
    assert not browser.page(("isVisible", "#play"))
    assert not browser.page(("isVisible", "#knob-temperature"))
    for n in range(browser.page(("locator", "details"), ("count",))):
        box = (("locator", "details"), ("nth", n))
        table = (*box, ("locator", "table"), ("first",), ("isVisible",))
        assert not browser.page(*table)
        browser.page(*box, ("locator", "summary"), ("click",))
        assert browser.page(*table)
    shown = browser.page(("innerText", "#weights")).replace("−", "-")
    numbers = {np.float32(text) for text in re.findall(r"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?", shown)}
    assert set(trace.weights["lm_head"].ravel()) <= numbers

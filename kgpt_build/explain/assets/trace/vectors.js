/* Vectors: the embedding, queries, keys and values, and how RoPE turns them. */
const weight = name => trace.weights[name];

function norm(x) {
  let sum = 0;
  for (const value of x) sum += value * value;
  const scale = 1 / Math.sqrt(sum / x.length + trace.model.norm_eps);
  return x.map(value => value * scale);
}
/* The rows of a figure of vectors: [name, values]. */
function vectors(box) {
  const show = heat(box);
  return (rows, label, more) => {
    const there = rows.filter(([, row_values]) => row_values), cols = Math.max(0, ...there.map(([, row_values]) => row_values.length));
    box.hidden = box.nextElementSibling.hidden = !there.length;
    if (!there.length) return;
    show({rows: there.length, cols, label, at: (r, c) => there[r][1][c] ?? null, row: r => there[r][0],
      tell: (r, c) => `${there[r][0]}, element ${c}: ${exact(there[r][1][c] ?? 0)}`, ...more});
  };
}
function make_embedding() {
  const show = vectors($("embedding-figure"));
  figures.push(() => {
    const t = state.position, id = trace.tokens[t].id;
    const parts = weight("wte") ? [[`token ${glyph(t)}`, row(weight("wte"), id)], [`position ${t}`, row(weight("wpe"), t)]] : [];
    const first = parts.length ? parts[0][1].map((value, i) => Math.fround(value + parts[1][1][i])) : null;
    show([...parts, ["sum", first], [model.microgpt ? "normed" : glyph(t), row(trace.embedding, t)]],
      `Embedding of ${quoted(t)} at position ${t}`);
  });
}
function make_qkv() {
  const show = vectors($("qkv-figure"));
  figures.push(() => {
    const t = state.position, one = layer(), size = model.head_dim;
    const part = (array, head) => row(array, t)?.subarray(head * size, (head + 1) * size);
    const own = kv_head(state.head);
    const whole = trace.layers.filter(other => other.q).map(other => other.layer + 1);
    $("qkv-text").textContent = one.q ? "" : `The trace has no vectors of this layer, but of ${whole.length ? `layer ${whole.join(", ")}` : "none"}.`;
    show([["query", part(one.q, state.head)], ["key", part(one.k, own)], ["value", part(one.v, own)],
      ["read", part(one.attended, state.head)]],
      `Query, key and value of ${quoted(t)}, layer ${one.layer + 1}, head ${state.head + 1}`, {own: true});
  });
  if (model.rope === "none" || !trace.layers.some(one => one.q_raw)) { $("rope").remove(); return; }
  $("rope-pair").max = model.rope_dim / 2 - 1;
  $("rope-pair").oninput = show_rope;
  figures.push(show_rope);
}
function pair_places(pair) {
  return model.rope === "adjacent" ? [2 * pair, 2 * pair + 1] : [pair, pair + model.rope_dim / 2];
}
function show_rope() {
  const t = state.position, pair = Number($("rope-pair").value), one = layer(), [a, b] = pair_places(pair), size = model.head_dim;
  const box = $("rope-figure");
  $("rope").hidden = !one.q_raw;
  if (!one.q_raw) return;
  const rate = model.rope_base ** (-2 * pair / model.rope_dim), degrees = t * rate * 180 / Math.PI;
  const dial = (name, raw, turned, head) => {
    const from = [row(raw, t)[head * size + a], row(raw, t)[head * size + b]];
    const to = [row(turned, t)[head * size + a], row(turned, t)[head * size + b]];
    return paint_dial(name, from, to);
  };
  box.replaceChildren(dial("query", one.q_raw, one.q, state.head), dial("key", one.k_raw, one.k, kv_head(state.head)));
  $("rope-text").textContent = `Pair ${pair} of ${model.rope_dim / 2}: elements ${a} and ${b}. Position ${t} × `
    + `${brief(rate)} radians = ${brief(degrees)}° (${brief((degrees % 360 + 360) % 360)}° after whole turns).`;
}
function paint_dial(name, from, to) {
  const size = Math.max(Math.hypot(...from), Math.hypot(...to)) || 1, point = ([x, y]) => [100 + x / size * 76, 100 - y / size * 76];
  const drawing = svg("svg", {viewBox: "0 0 200 224", width: 200, height: 224, role: "img",
    "aria-label": `${name}: (${brief(from[0])}, ${brief(from[1])}) before RoPE, (${brief(to[0])}, ${brief(to[1])}) after`});
  drawing.append(svg("circle", {cx: 100, cy: 100, r: 76, class: "axis"}), svg("path", {d: "M14 100H186M100 14V186", class: "axis"}));
  for (const [end, kind, width] of [[point(from), "thin", 1.5], [point(to), "blue", 2.5]]) {
    drawing.append(svg("path", {d: `M100 100L${end.join(" ")}`, class: kind, "stroke-width": width}),
      svg("circle", {cx: end[0], cy: end[1], r: kind === "blue" ? 5 : 3, class: kind === "blue" ? "dot" : "thin"}));
  }
  drawing.append(svg("text", {x: 100, y: 204, "text-anchor": "middle"}, name),
    svg("text", {x: 100, y: 220, "text-anchor": "middle", class: "dim"}, "dashed: before, solid: after"));
  return drawing;
}

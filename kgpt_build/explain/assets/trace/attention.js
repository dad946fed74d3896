/* Attention: one small map for each head, the map of the chosen head, arcs over the text, and the scores of a row. */
function make_attention() {
  make_heads();
  const show = heat($("attention-figure"));
  figures.push(() => {
    const one = layer(), head = state.head;
    show({rows: n_steps, cols: n_steps, square: true, cell: 40, most: 1, mark: state.position, only: state.position + 1,
      at: (t, s) => s <= t ? attention(one, head, t, s) : null, row: glyph, col: glyph,
      start: {r: state.position, c: state.position}, pick: t => choose({position: t}),
      tell: (t, s) => s > t ? `${quoted(t)} (${t}) cannot look at ${quoted(s)} (${s}): it comes later.`
        : `${quoted(t)} (${t}) looks at ${quoted(s)} (${s}) with ${exact(attention(one, head, t, s))} = ${percent(attention(one, head, t, s))}`,
      label: `Attention of layer ${one.layer + 1}, head ${head + 1}: rows look at columns`});
  });
  const arcs = $("arcs");
  arcs.onkeydown = event => {
    const change = {ArrowLeft: {position: state.position - 1}, ArrowRight: {position: state.position + 1},
      ArrowUp: {head: state.head - 1}, ArrowDown: {head: state.head + 1}}[event.key];
    if (!change) return;
    event.preventDefault();
    if (change.position >= 0 && change.position < n_steps || change.head >= 0 && change.head < model.n_head) choose(change);
  };
  figures.push(show_arcs, show_scores);
  new ResizeObserver(show_arcs).observe(arcs);
}
function make_heads() {
  const box = $("heads"), size = Math.max(52, Math.min(innerWidth < 640 ? 64 : 96, n_steps * 2));
  const made = Array.from({length: model.n_head}, (_, head) => {
    const button = node("button"), canvas = node("canvas");
    button.onclick = () => choose({head});
    button.append(canvas, `head ${head + 1}`);
    return {button, canvas};
  });
  box.append(...made.map(one => one.button));
  let painted = "";
  figures.push(() => {
    made.forEach(({button}, head) => button.setAttribute("aria-pressed", String(head === state.head)));
    const wanted = state.layer + document.documentElement.dataset.look;
    if (painted === wanted) return;
    painted = wanted;
    made.forEach(({canvas}, head) => thumbnail(canvas, size, n_steps, (t, s) => attention(layer(), head, t, s)));
  });
}
/* Where the tokens stand: spread over the box, or further if they need more. */
function arc_places(room) {
  const pen = node("canvas").getContext("2d");
  pen.font = `14px ${FONT}`;
  const widths = Array.from({length: n_steps}, (_, t) => Math.max(14, pen.measureText(glyph(t)).width));
  const all = widths.reduce((sum, width) => sum + width, 0), gap = Math.max(12, Math.min(120, (room - all - 40) / n_steps));
  let x = 14;
  return widths.map(width => {
    const middle = x + width / 2;
    x += width + gap;
    return {middle, end: x};
  });
}
function strongest(t, count) {
  const one = layer(), list = Array.from({length: t + 1}, (_, s) => [s, attention(one, state.head, t, s)]);
  return list.sort((a, b) => b[1] - a[1]).slice(0, count);
}
function show_arcs() {
  const places = arc_places($("arcs").clientWidth), width = places[n_steps - 1].end + 4, t = state.position;
  const height = Math.min(220, 40 + (places[t].middle - places[0].middle) * 0.4), base = height + 8;
  const drawing = svg("svg", {width, height: base + 34, viewBox: `0 0 ${width} ${base + 34}`, "aria-hidden": "true"});
  for (let s = 0; s <= t; s++) {
    const p = attention(layer(), state.head, t, s), a = places[s].middle, b = places[t].middle, up = Math.min(height - 4, 26 + (b - a) * 0.4);
    const d = s === t ? `M${b - 5} ${base}C${b - 16} ${base - 26} ${b + 16} ${base - 26} ${b + 5} ${base}`
      : `M${b} ${base}C${b} ${base - up * 1.3} ${a} ${base - up * 1.3} ${a} ${base}`;
    const path = svg("path", {d, "stroke-width": 0.6 + 9 * p, opacity: 0.12 + 0.88 * Math.sqrt(p)});
    path.dataset.s = s;
    drawing.append(path);
  }
  for (let s = 0; s < n_steps; s++) drawing.append(arc_token(s, places[s].middle, base + 20));
  $("arcs").replaceChildren(drawing);
  $("arcs").scrollLeft = places[t].middle - $("arcs").clientWidth * 0.7;
  $("arcs").setAttribute("aria-label", `Arcs from ${quoted(t)} to the tokens that it looks at. Left and right move, up and down change the head.`);
  tell_arcs();
}
function arc_token(s, x, y) {
  const group = svg("g", {class: s === state.position ? "now" : s < state.position ? "seen" : ""});
  group.append(svg("text", {x, y, "text-anchor": "middle"}, glyph(s)));
  group.onclick = () => choose({position: s});
  group.onpointerenter = () => tell_arcs(s);
  group.onpointerleave = () => tell_arcs();
  return group;
}
function tell_arcs(s) {
  const t = state.position;
  for (const path of $("arcs").querySelectorAll("path")) path.classList.toggle("hot", Number(path.dataset.s) === s);
  $("arcs-text").textContent = s === undefined || s > t
    ? `${quoted(t)} looks most at ` + strongest(t, 3).map(([at, p]) => `${quoted(at)} (${at}) ${percent(p)}`).join(", ") + "."
    : `${quoted(t)} looks at ${quoted(s)} (${s}) with ${exact(attention(layer(), state.head, t, s))} = ${percent(attention(layer(), state.head, t, s))}`;
}
/* The scores q · k of the chosen row, where the trace has both. */
function show_scores() {
  const one = layer(), t = state.position, size = model.head_dim, box = $("scores");
  const query = row(one.q, t)?.subarray(state.head * size, (state.head + 1) * size), own = kv_head(state.head);
  const items = Array.from({length: t + 1}, (_, s) => {
    const p = attention(one, state.head, t, s), key = query && row(one.k, s).subarray(own * size, (own + 1) * size);
    const score = key ? query.reduce((sum, value, i) => sum + value * key[i], 0) * model.attn_scale : null;
    return {key: `${s} ${glyph(s)}`, value: p, text: (score === null ? "" : `${brief(score)}  →  `) + percent(p)};
  });
  if (items.length > 24) items.sort((a, b) => b.value - a.value).length = 24;
  bars(box, items, `Shares of attention of ${quoted(t)} in head ${state.head + 1}`);
}

/* The MLP's neurons, the residual stream through the layers, and the logit lens. */
function make_mlp() {
  const show = heat($("neurons-figure"));
  figures.push(() => {
    const t = state.position, one = layer(), ids = row(one.neurons, t), active = row(one.activations, t);
    const order = [...active.keys()].sort((a, b) => Math.abs(active[b]) - Math.abs(active[a])).slice(0, 12);
    bars($("neurons-bars"), order.filter(i => active[i] !== 0).map(i => ({key: `neuron ${ids[i]}`, value: active[i], text: brief(active[i])})),
      `The strongest neurons for ${quoted(t)}`);
    const cols = Math.min(active.length, 16), rows = Math.ceil(active.length / cols);
    $("neurons-figure").hidden = $("neurons-figure").nextElementSibling.hidden = active.length !== model.n_ff;
    show({rows, cols, label: `Neurons of layer ${one.layer + 1} for ${quoted(t)}`, at: (r, c) => active[r * cols + c] ?? null,
      tell: (r, c) => `neuron ${ids[r * cols + c] ?? "–"}: ${exact(active[r * cols + c] ?? 0)}`});
    const firing = active.filter(value => value !== 0).length;
    $("neurons-text").textContent = active.length === model.n_ff
      ? `${firing} of ${model.n_ff} neurons are not zero.` : `The ${active.length} strongest of ${model.n_ff} neurons are in the trace.`;
  });
}
/* The stages of the residual stream: its name, length and vector at a position. */
function stages(t) {
  const list = [{name: "embedding", length: values(trace.embedding_norm)[t], vector: row(trace.embedding, t)}];
  for (const one of trace.layers) {
    list.push({name: `${one.layer + 1} attention`, length: values(one.norm_attention)[t], vector: row(one.after_attention, t)});
    list.push({name: `${one.layer + 1} MLP`, length: values(one.norm_mlp)[t], vector: row(one.after_mlp, t)});
  }
  return list;
}
function make_stream() {
  const show = vectors($("stream-figure"));
  figures.push(() => {
    const list = stages(state.position), items = list.map(one => ({key: one.name, value: one.length, text: brief(one.length)}));
    bars($("stream-bars"), items, `Length of the residual stream of ${quoted(state.position)} after each step`);
    $("stream-bars").classList.toggle("dense", items.length > 16);
    show(list.map(one => [one.name, one.vector]), `The residual stream of ${quoted(state.position)}`, {own: true, height: list.length > 12 ? 14 : 26});
  });
  figures.push(show_lens);
}
function show_lens() {
  const t = state.position, next = trace.tokens[t + 1]?.id, table = node("table"), body = node("tbody"), head = node("tr");
  const count = Math.min(5, trace.layers[0].lens_ids.shape[1]);
  head.append(node("th", "", "after layer"), ...Array.from({length: count}, (_, i) => node("th", "", i ? `${i + 1}.` : "likeliest")));
  for (const one of trace.layers) {
    const ids = row(one.lens_ids, t), p = row(one.lens_p, t), line = node("tr");
    line.append(node("th", "", one.layer + 1));
    for (let i = 0; i < count; i++) {
      const colour = shade(p[i], 1), cell = node("td", "text", `${named(ids[i])}  ${percent(p[i])}`);
      cell.style.background = rgb(colour);
      cell.style.color = ink(colour);
      if (ids[i] === next) cell.style.boxShadow = "inset 0 0 0 2px " + rgb(palette.warm);
      line.append(cell);
    }
    body.append(line);
  }
  const top = node("thead");
  top.append(head);
  table.append(node("caption", "", `What ${quoted(t)} would lead to. Framed: the token that came next.`), top, body);
  $("lens-figure").replaceChildren(table);
}

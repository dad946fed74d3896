/* The page of a training: everything is shown at one checkpoint. */
const run = JSON.parse($("run").textContent), n_points = run.steps.length, length = run.tokens.length;
const [, n_layer, n_head] = run.attention.shape, matrices = Object.keys(run.weights);
let matrix = matrices[0];

const quoted = t => `“${run.tokens[t]}”`;
function looks(point, head, t, s) {
  return values(run.attention)[(((point * n_layer + state.layer) * n_head + head) * length + t) * length + s];
}
function nearest(step) {
  return run.steps.reduce((best, at, i) => Math.abs(at - step) < Math.abs(run.steps[best] - step) ? i : best, 0);
}
function make_bar() {
  $("point").max = n_points - 1;
  $("point").oninput = () => { stop_playing(); choose({point: Number($("point").value)}); };
  $("play").onclick = () => play("point", n_points - 1, 500);
  fill_select($("layer"), Array.from({length: n_layer}, (_, i) => `${i + 1}`));
  fill_select($("head"), Array.from({length: n_head}, (_, i) => `${i + 1}`));
  $("layer").onchange = () => choose({layer: Number($("layer").value)});
  $("head").onchange = () => choose({head: Number($("head").value)});
  figures.push(() => {
    const step = run.steps[state.point];
    $("point").value = state.point;
    $("point").setAttribute("aria-valuetext", `step ${step}`);
    $("layer").value = state.layer;
    $("head").value = state.head;
    $("where").replaceChildren("After step ", node("b", "", step.toLocaleString("en")), `, checkpoint ${state.point + 1} of ${n_points}`);
  });
}
function make_loss() {
  const box = $("loss-figure");
  const show = () => chart(box, {mark: run.steps[state.point], pick: step => choose({point: nearest(step)}), label: "Losses over the steps",
    lines: [{points: run.losses, kind: "faint"}, {points: run.validation, kind: "warm", dots: true}]});
  new ResizeObserver(show).observe(box);
  figures.push(show, () => {
    const step = run.steps[state.point], loss = run.losses.find(point => point[0] === step), other = run.validation.find(point => point[0] === step);
    $("loss-text").textContent = `Step ${step}: ` + [loss && `training ${loss[1].toFixed(4)} nats`, other && `validation ${other[1].toFixed(4)} nats`].filter(Boolean).join(", ");
  });
}
function make_texts() {
  figures.push(() => $("texts-figure").replaceChildren(...run.texts[state.point].map(text => {
    const item = node("li");
    item.append(node("span", "glyph", text || "∅"));
    return item;
  })));
}
function make_attention() {
  const show = heat($("attention-figure")), film = $("film");
  const frames = run.steps.map((step, point) => {
    const button = node("button"), canvas = node("canvas");
    button.onclick = () => { stop_playing(); choose({point}); };
    button.append(canvas, `step ${step}`);
    film.append(button);
    return {button, canvas};
  });
  figures.push(() => {
    show({rows: length, cols: length, square: true, cell: 40, most: 1, row: t => run.tokens[t], col: t => run.tokens[t],
      at: (t, s) => s <= t ? looks(state.point, state.head, t, s) : null,
      tell: (t, s) => s > t ? `${quoted(t)} (${t}) cannot look at ${quoted(s)} (${s}): it comes later.`
        : `${quoted(t)} (${t}) looks at ${quoted(s)} (${s}) with ${exact(looks(state.point, state.head, t, s))}`,
      label: `Attention of head ${state.head + 1} after step ${run.steps[state.point]}`});
    frames.forEach(({button, canvas}, point) => {
      if (point === state.point) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
      thumbnail(canvas, 56, length, (t, s) => looks(point, state.head, t, s));
    });
  });
}
function lines_of(lists) {
  const line = name => ({points: lists[name].map((value, i) => [run.steps[i], value]), kind: name === matrix ? "blue" : "faint"});
  return matrices.filter(name => name !== matrix).concat(matrix).filter(name => lists[name]).map(line);
}
function make_weights() {
  const show = heat($("weights-figure"));
  for (const select of [$("matrix"), $("matrix-again")]) {
    fill_select(select, matrices.map(name => `${name} (${run.weights[name].shape.slice(1).join(" × ")})`));
    select.onchange = () => { matrix = matrices[select.value]; choose({}); };
  }
  const charts = () => {
    const mark = run.steps[state.point];
    chart($("lengths-figure"), {lines: lines_of(run.lengths), mark, label: `Length of ${matrix} and the other matrices`});
    if (run.gradients[matrix]) chart($("gradients-figure"), {lines: lines_of(run.gradients), mark, log: true, label: `Length of the gradient of ${matrix} and the others`});
  };
  new ResizeObserver(charts).observe($("lengths-figure"));
  figures.push(charts, () => {
    const array = run.weights[matrix], [, rows, cols] = array.shape, now = row(array, state.point);
    const most = values(array).reduce((size, value) => Math.max(size, Math.abs(value)), 0);
    const named = r => matrix === "wte" || matrix === "lm_head" ? run.names[r] : String(r);
    $("matrix").value = $("matrix-again").value = matrices.indexOf(matrix);
    show({rows, cols, most, row: named, height: rows > 32 ? 16 : 22, at: (r, c) => now[r * cols + c], label: `${matrix} after step ${run.steps[state.point]}`,
      tell: (r, c) => `${matrix}[${r}, ${c}] = ${exact(now[r * cols + c])} after step ${run.steps[state.point]}`});
    $("lengths-text").textContent = `${matrix}: ${brief(run.lengths[matrix][state.point])}`;
    if (run.gradients[matrix]) $("gradients-text").textContent = `${matrix}: ${brief(run.gradients[matrix][state.point])}`;
  });
}
document.body.classList.add("live");
make_look();
for (const make of [make_bar, make_loss, make_texts, make_attention, make_weights]) make();
choose({point: n_points - 1});
globalThis.kgpt = {opened: performance.now(), run, values, state, choose}; /* for the console, and for tests */
make_contents();

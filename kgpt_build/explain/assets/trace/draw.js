/* From logits to the next token. The sliders compute the step anew with the kernel's own sampler. */
const RANGES = {temperature: [0, 2, 0.05], top_k: [0, 0, 1], top_p: [0.01, 1, 0.01], min_p: [0, 1, 0.01], uniform: [0, 0.999, 0.001]};
const NAMES = {temperature: "Temperature", top_k: "top-k", top_p: "top-p", min_p: "min-p", uniform: "Random u"};
let wished = {}, settings = {};
const maker = {kernel: "the kernel", hosted: "the engine"}[trace.source.made_by] ?? "the reference";

function own_settings() { return {temperature: 1, top_k: 0, typical_p: 1, top_p: 1, min_p: 0, ...trace.settings}; }
function make_draw() {
  for (const [name, [low, high, by]] of Object.entries(RANGES)) {
    const label = node("label"), input = node("input"), value = node("b");
    input.type = "range";
    Object.assign(input, {id: "knob-" + name, min: low, max: Math.max(high, own_settings()[name] ?? 0), step: by});
    value.id = "value-" + name;
    label.append(value, NAMES[name], input);
    input.oninput = () => { wished[name] = Number(input.value); show_draw(); };
    $("knobs").append(label);
  }
  $("reset").onclick = () => { wished = {}; show_draw(); };
  $("first-draw").hidden = !trace.draws.length;
  $("first-draw").onclick = () => choose({position: trace.draws[0].pos});
  figures.push(show_draw);
}
function knobs(draw) {
  settings = {...own_settings(), ...wished};
  const uniform = wished.uniform ?? draw.uniform ?? 0.5, count = draw.ids.shape[0];
  $("knob-top_k").max = count;
  for (const name of Object.keys(RANGES)) {
    const value = name === "uniform" ? uniform : settings[name];
    $("knob-" + name).value = value;
    $("value-" + name).textContent = name === "top_k" && !value ? "off" : name === "uniform" && !settings.temperature ? "not drawn" : String(Number(value.toPrecision(4)));
  }
  $("reset").disabled = !Object.keys(wished).length;
  return uniform;
}
/* The draw of the run, in the form of `sample`. The trace has the likeliest candidates only, at most a few hundred. */
function as_drawn(draw) {
  const places = new Map([...values(draw.ids)].map((id, place) => [id, place])), weights = values(draw.weights);
  const kept = [...values(draw.kept)].map((id, i) => [places.get(id), i]).filter(([place]) => place !== undefined);
  return {left: draw.left, places: kept.map(([place]) => place), p: kept.map(([, i]) => f32(weights[i] / draw.total)),
    chosen: kept.findIndex(([, i]) => i === draw.place)};
}
function show_draw() {
  const draw = draw_at(state.position);
  $("draw-figure").hidden = !draw;
  $("no-draw").hidden = Boolean(draw);
  if (!draw) return;
  const uniform = knobs(draw), own = !Object.keys(wished).length;
  const found = own ? as_drawn(draw) : sample(values(draw.adjusted), settings, uniform);
  show_funnel(draw, found);
  show_candidates(draw, found);
  show_line(draw, found, uniform);
  const id = own ? draw.chosen : values(draw.ids)[found.places[found.chosen]], p = found.p[found.chosen];
  const how = settings.temperature === 0 ? "Temperature 0 takes the likeliest token" : `The random number ${exact(f32(uniform))} falls into the share of this token`;
  $("draw-text").replaceChildren("Next token: ", node("span", "glyph", `“${named(id)}”`), ` with ${p === undefined ? "a smaller probability than those below" : percent(p)}. ${how}. `,
    own ? `These are the settings of the run, and ${maker} chose the same token.` : id === draw.chosen ? `With the settings of the run, ${maker} chose this token too.`
      : `With the settings of the run, ${maker} chose “${named(draw.chosen)}”.`);
  const count = draw.ids.shape[0], cut = !own && (settings.top_k || model.n_vocab) > count;
  $("draw-note").textContent = cut ? `The page has the ${count} likeliest tokens of this step; the others are not counted here.` : "";
}
function show_funnel(draw, found) {
  const names = {top_k: "top-k", typical_p: "typical-p", top_p: "top-p", min_p: "min-p"};
  const stage = (name, count) => { const item = node("li"); item.append(`${name} `, node("b", "", count.toLocaleString("en"))); return item; };
  $("funnel").replaceChildren(stage("vocabulary", model.n_vocab),
    ...Object.entries(found.left).filter(([name]) => name !== "typical_p" || settings.typical_p < 1).map(([name, count]) => stage(names[name], count)), stage("drawn", 1));
}
function show_candidates(draw, found) {
  const ids = values(draw.ids), logits = values(draw.logits), changed = values(draw.adjusted), at = new Map(found.places.map((place, i) => [place, i]));
  const head = ["token", "logit", "probability: filled with the settings, outlined without", ""].map(text => node("div", "head", text));
  head[1].classList.add("value");
  const rows = [...ids.keys()].slice(0, Math.max(30, at.size > 60 ? 60 : at.size)).flatMap(place => {
    const i = at.get(place), p = i === undefined ? 0 : found.p[i], track = node("div", "track"), plain = Math.exp(logits[place] - draw.log_sum);
    const kind = i === undefined ? " out" : i === found.chosen ? " drawn" : "", ghost = node("div", "ghost"), fill = node("div", "fill" + kind);
    ghost.style.width = plain * 100 + "%";
    fill.style.width = p * 100 + "%";
    track.append(fill, ghost);
    const logit = logits[place] === changed[place] ? brief(logits[place]) : `${brief(logits[place])} → ${brief(changed[place])}`;
    return [node("div", "key" + kind, named(ids[place])), node("div", "value", logit), track, node("div", "value" + kind, i === undefined ? "removed" : percent(p))];
  });
  $("candidates").replaceChildren(...head, ...rows);
  $("candidates").setAttribute("aria-label", found.places.slice(0, 10).map((place, i) => `${named(ids[place])} ${percent(found.p[i])}`).join(", "));
}
/* The running sum of the weights, and where the random number falls. */
function show_line(draw, found, uniform) {
  const width = 1000, ids = values(draw.ids), box = $("line");
  box.setAttribute("aria-label", `The shares in a row from 0 to 1, and the random number ${brief(uniform)}`);
  const drawing = svg("svg", {viewBox: `0 0 ${width} 96`, width: "100%", height: 96, preserveAspectRatio: "none", "aria-hidden": "true"});
  const names = node("div", "shares");
  let sum = 0;
  found.places.forEach((place, i) => {
    const p = found.p[i], chosen = i === found.chosen, colour = chosen ? palette.warm : mixed(palette.blue, i % 2 ? 0.75 : 0.5);
    drawing.append(svg("rect", {x: sum * width, y: 30, width: Math.max(0.5, p * width - 1), height: 36, fill: rgb(colour)}));
    if (p * box.clientWidth > 9 * [...named(ids[place])].length + 6) {
      const name = node("span", "", named(ids[place]));
      name.style.left = (sum + p / 2) * 100 + "%";
      name.style.maxWidth = p * 100 + "%";
      name.style.color = ink(colour);
      names.append(name);
    }
    sum += p;
  });
  if (settings.temperature) {
    drawing.append(svg("path", {d: `M${uniform * width} 22V76`, class: "marker"}));
    const mark = node("span", "mark", brief(f32(uniform)));
    mark.style.left = `clamp(2rem, ${uniform * 100}%, 100% - 2rem)`;
    names.append(mark);
  }
  box.replaceChildren(drawing, names);
}
/* The probability of the chosen token; 0 if the trace does not have it, because many were likelier. */
const share = draw => (values(draw.weights)[draw.place] ?? 0) / draw.total;
function make_reply() {
  const box = $("reply-figure");
  for (const draw of trace.draws) {
    const item = node("li"), button = node("button"), p = share(draw);
    button.append(node("span", "glyph", named(draw.chosen)), node("small", "", p ? percent(p) : "rare"), node("small", "", draw.uniform === null ? "greedy" : `u ${brief(draw.uniform)}`));
    button.setAttribute("aria-label", `Step ${draw.pos}: ${named(draw.chosen)}, ${p ? percent(p) : "rare"}`);
    button.onclick = () => choose({position: draw.pos});
    item.append(button);
    box.append(item);
  }
  figures.push(() => trace.draws.forEach((draw, i) => {
    const button = box.children[i].firstChild;
    if (draw.pos === state.position) button.setAttribute("aria-current", "step"); else button.removeAttribute("aria-current");
  }));
}

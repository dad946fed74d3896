/* The bar: which position, layer and head the page shows; and the steps through the text. */
function step(by) {
  stop_playing();
  choose({position: Math.max(0, Math.min(n_steps - 1, state.position + by))});
}
/* The chips of the text are one stop of the Tab key; arrow keys move within. */
function make_bar() {
  const strip = $("strip");
  trace.tokens.forEach((one, position) => {
    const fed = position < n_steps, chip = node(fed ? "button" : "span", "chip", glyph(position));
    if (position >= trace.n_prompt) chip.classList.add("reply");
    if (!one.data) chip.classList.add("special");
    chip.title = fed ? `Position ${position}, token ${one.id}` : `Token ${one.id}: drawn, not read any more`;
    if (fed) chip.onclick = () => { stop_playing(); choose({position}); };
    strip.append(chip);
  });
  strip.onkeydown = event => {
    const moves = {ArrowLeft: -1, ArrowRight: 1, Home: -n_steps, End: n_steps};
    if (!(event.key in moves)) return;
    event.preventDefault();
    step(moves[event.key]);
    strip.children[state.position].focus();
  };
  $("before").onclick = () => step(-1);
  $("after").onclick = () => step(1);
  $("play").onclick = () => play("position", n_steps - 1, 900);
  fill_select($("layer"), trace.layers.map(one => `${one.layer + 1}`));
  fill_select($("head"), Array.from({length: model.n_head}, (_, i) => `${i + 1}`));
  $("layer").onchange = () => choose({layer: Number($("layer").value)});
  $("head").onchange = () => choose({head: Number($("head").value)});
  figures.push(show_bar);
}
function show_bar() {
  const chips = $("strip").children, now = chips[state.position];
  for (const chip of $("strip").querySelectorAll("button")) {
    chip.tabIndex = chip === now ? 0 : -1;
    if (chip === now) chip.setAttribute("aria-current", "step"); else chip.removeAttribute("aria-current");
  }
  $("strip").scrollLeft = now.offsetLeft - $("strip").offsetLeft - $("strip").clientWidth / 2;
  $("before").disabled = state.position === 0;
  $("after").disabled = state.position === n_steps - 1;
  $("layer").value = state.layer;
  $("head").value = state.head;
  const next = state.position + 1, how = draw_at(state.position) ? "draws" : "is given";
  $("where").replaceChildren("Position ", node("b", "", `${state.position} of ${n_steps - 1}`), ": reads ",
    node("b", "", quoted(state.position)), ...next < trace.tokens.length ? [`, ${how} `, node("b", "", quoted(next))] : []);
}

/* Two figures that many sections share: a grid of numbers as colours, and bars. */

/* A grid in `box`, which is read by pointer and keys; the line below it tells the number under the cursor. Returns the
 * function that shows a spec: {rows, cols, at(r, c) (null: no number), tell(r, c), label}, and if wanted
 * {row(r), col(c)} names, most (the largest size), own (each row has its own scale), pick(r, c), cell (the widest), height, square, mark (a row), split
 * (columns between lines). */
function heat(box) {
  const canvas = node("canvas"), out = node("output"), frame = node("div", "frame"), cursor = {r: 0, c: 0, on: false};
  let spec = null, grid = null;
  canvas.setAttribute("aria-hidden", "true");
  box.classList.add("heat");
  box.tabIndex = 0;
  box.setAttribute("role", "application");
  box.setAttribute("aria-roledescription", "grid of numbers");
  frame.hidden = true;
  box.append(canvas, frame);
  box.after(out);
  const hint = () => { out.textContent = spec.hint ?? "Point at a cell, or use the arrow keys, to read its number."; };

  function tell() {
    cursor.r = Math.min(cursor.r, spec.rows - 1);
    cursor.c = Math.min(cursor.c, spec.cols - 1);
    frame.hidden = !cursor.on;
    out.classList.toggle("hint", !cursor.on);
    if (!cursor.on) { hint(); return; }
    out.textContent = spec.tell(cursor.r, cursor.c);
    if (!grid) return;
    const places = {left: grid.left + cursor.c * grid.w, top: grid.top + cursor.r * grid.h, width: grid.w, height: grid.h};
    for (const [name, value] of Object.entries(places)) frame.style[name] = value + "px";
  }
  function paint() {
    if (!spec || !box.clientWidth) return;
    grid = paint_grid(canvas, spec, box.clientWidth);
    tell();
  }
  function at(event) {
    const c = Math.floor((event.offsetX - grid.left) / grid.w), r = Math.floor((event.offsetY - grid.top) / grid.h);
    return r >= 0 && r < spec.rows && c >= 0 && c < spec.cols ? {r, c} : null;
  }
  function point(event) {
    const found = at(event);
    if (!found) return;
    Object.assign(cursor, found, {on: true});
    tell();
  }
  canvas.onpointermove = canvas.onpointerdown = point;
  canvas.onpointerleave = () => { cursor.on = document.activeElement === box; tell(); };
  canvas.onclick = event => { const found = at(event); if (found && spec.pick) spec.pick(found.r, found.c); };
  box.onfocus = () => { cursor.on = true; tell(); };
  box.onblur = () => { cursor.on = false; tell(); };
  box.onkeydown = event => {
    const moves = {ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: [0, -spec.cols], End: [0, spec.cols]};
    if (moves[event.key]) {
      const [r, c] = moves[event.key];
      cursor.r = Math.max(0, Math.min(spec.rows - 1, cursor.r + r));
      cursor.c = Math.max(0, Math.min(spec.cols - 1, cursor.c + c));
    } else if (event.key === "Enter" && spec.pick) spec.pick(cursor.r, cursor.c);
    else return;
    event.preventDefault();
    cursor.on = true;
    tell();
  };
  new ResizeObserver(paint).observe(box);
  return next => {
    spec = next;
    box.setAttribute("aria-label", `${spec.label}. Arrow keys move${spec.pick ? ", Enter chooses" : ""}.`);
    if (spec.start && !cursor.on) Object.assign(cursor, spec.start);
    paint();
  };
}

const FONT = "ui-monospace, 'DejaVu Sans Mono', monospace";
function clipped(pen, text, width) {
  if (pen.measureText(text).width <= width) return text;
  while (text.length > 1 && pen.measureText(text + "…").width > width) text = [...text].slice(0, -1).join("");
  return text + "…";
}
/* Where cells lie. */
function lay_out(pen, spec, width) {
  pen.font = `12px ${FONT}`;
  const names = (count, name) => name ? Array.from({length: count}, (_, i) => String(name(i))) : [];
  const rows = names(spec.rows, spec.row), cols = names(spec.cols, spec.col);
  const widest = list => Math.max(0, ...list.map(text => pen.measureText(text).width));
  const legible = !spec.square || width / spec.cols > 11; /* otherwise rows are too low for names */
  const left = rows.length && legible ? Math.min(widest(rows) + 10, width * 0.3) : 0;
  const w = Math.min(spec.cell ?? 46, (width - left - 2) / spec.cols), upright = widest(cols) > w - 2;
  const top = !cols.length || w < 9 ? 0 : upright ? Math.min(widest(cols), 80) + 8 : 20;
  return {rows, cols: top ? cols : [], left, top, w, h: spec.square ? w : spec.height ?? 26, upright};
}
function paint_grid(canvas, spec, width) {
  const pen = canvas.getContext("2d"), grid = lay_out(pen, spec, width), {left, top, w, h} = grid, dots = devicePixelRatio || 1;
  const size = [left + w * spec.cols + 2, top + h * spec.rows + 2];
  canvas.width = Math.ceil(size[0] * dots);
  canvas.height = Math.ceil(size[1] * dots);
  canvas.style.width = canvas.width / dots + "px";
  canvas.style.height = canvas.height / dots + "px";
  pen.scale(dots, dots);
  paint_cells(pen, spec, grid);
  paint_names(pen, grid);
  pen.strokeStyle = rgb(palette.fore);
  pen.lineWidth = 1;
  for (const c of spec.split ? Array.from({length: Math.ceil(spec.cols / spec.split) - 1}, (_, i) => (i + 1) * spec.split) : [])
    pen.fillRect(left + c * w - 1, top, 2, h * spec.rows);
  if (spec.mark !== undefined && spec.mark >= 0) pen.strokeRect(left + 0.5, top + spec.mark * h + 0.5, w * (spec.only ?? spec.cols), h);
  return grid;
}
/* The size that has the full colour, for each row. A few of many values are far larger than the others: 2 % of them may
 * be beyond it. */
function scales(spec) {
  const sizes = Array.from({length: spec.rows}, (_, r) => Float32Array.from({length: spec.cols}, (_, c) => Math.abs(spec.at(r, c) ?? 0)));
  const most = list => list.length > 256 ? list.sort()[Math.floor(list.length * 0.98)] : list.reduce((a, b) => Math.max(a, b), 0);
  if (spec.own) return sizes.map(most);
  const all = new Float32Array(spec.rows * spec.cols);
  sizes.forEach((list, r) => all.set(list, r * spec.cols));
  return Array(spec.rows).fill(most(all));
}
function paint_cells(pen, spec, {left, top, w, h}) {
  const most = spec.most ? null : scales(spec), gap = w > 6 && h > 6 ? 1 : 0, digits = w >= 38 && h >= 18;
  pen.font = `11px ${FONT}`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  for (let r = 0; r < spec.rows; r++)
    for (let c = 0; c < spec.cols; c++) {
      const value = spec.at(r, c);
      if (value === null) continue;
      const colour = shade(value, most ? most[r] : spec.most);
      pen.fillStyle = rgb(colour);
      pen.fillRect(left + c * w, top + r * h, w - gap + (gap ? 0 : 0.3), h - gap + (gap ? 0 : 0.3));
      if (!digits) continue;
      pen.fillStyle = ink(colour);
      pen.fillText(value.toFixed(2).replace("-", "−"), left + c * w + w / 2, top + r * h + h / 2 + 0.5);
    }
  pen.fillStyle = rgb(palette.back);
}
function paint_names(pen, {rows, cols, left, top, w, h, upright}) {
  const back = pen.fillStyle;
  pen.font = `12px ${FONT}`;
  pen.fillStyle = rgb(palette.dim);
  pen.textAlign = "right";
  if (h >= 9 && left) rows.forEach((text, r) => pen.fillText(clipped(pen, text, left - 8), left - 7, top + r * h + h / 2));
  cols.forEach((text, c) => {
    pen.save();
    const turned = upright && pen.measureText(text).width > w - 2;
    pen.textAlign = turned ? "left" : "center";
    pen.translate(left + c * w + w / 2, top - (turned ? 5 : 9));
    if (turned) pen.rotate(-Math.PI / 2);
    pen.fillText(clipped(pen, text, turned ? top - 8 : w), 0, 0);
    pen.restore();
  });
  pen.fillStyle = back;
}

/* A small map of attention over n positions. */
function thumbnail(canvas, size, n, at) {
  const dots = devicePixelRatio || 1, pen = canvas.getContext("2d");
  canvas.width = canvas.height = Math.round(size * dots);
  canvas.style.width = canvas.style.height = size + "px";
  const cell = canvas.width / n;
  for (let t = 0; t < n; t++)
    for (let s = 0; s <= t; s++) {
      pen.fillStyle = rgb(shade(at(t, s), 1));
      pen.fillRect(s * cell, t * cell, cell + 0.3, cell + 0.3);
    }
}

/* Bars in `box`, one for each item: {key, value, text, kind}; those below zero go to the left. */
function bars(box, items, label) {
  const low = Math.min(0, ...items.map(item => item.value)), high = Math.max(0, ...items.map(item => item.value)), span = high - low || 1;
  box.className = "bars";
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", label);
  box.replaceChildren(...items.flatMap(item => {
    const track = node("div", "track"), fill = node("div", item.value < 0 ? "fill minus" : "fill");
    fill.style.left = (Math.min(item.value, 0) - low) / span * 100 + "%";
    fill.style.width = Math.abs(item.value) / span * 100 + "%";
    track.append(fill);
    if (low < 0) { const zero = node("div", "zero"); zero.style.left = -low / span * 100 + "%"; track.append(zero); }
    return [node("div", "key", item.key), track, node("div", "value", item.text)];
  }));
}

/* What figures of every page use: arrays of JSON, elements, numbers as text, and what the reader has chosen. */
const $ = id => document.getElementById(id);
const decoded = new WeakMap();

function half(bits) {
  const sign = bits & 0x8000 ? -1 : 1, power = bits >> 10 & 31, rest = bits & 1023;
  return sign * (power === 31 ? (rest ? NaN : Infinity) : power ? (1 + rest / 1024) * 2 ** (power - 15) : rest * 2 ** -24);
}
/* The values of an array of the trace, decoded when they are first needed; null for an array that was left out. */
function values(array) {
  if (!array) return null;
  if (!decoded.has(array)) {
    const text = atob(array.data), bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    decoded.set(array, array.type === "i32" ? new Int32Array(bytes.buffer)
      : array.type === "f16" ? Float32Array.from(new Uint16Array(bytes.buffer), half) : new Float32Array(bytes.buffer));
  }
  return decoded.get(array);
}
/* Row i of an array, whatever its other dimensions; null without it. */
function row(array, i) {
  const all = values(array);
  if (!all || i < 0 || i >= array.shape[0]) return null;
  const width = all.length / array.shape[0];
  return all.subarray(i * width, (i + 1) * width);
}
function node(kind, name, text) {
  const made = document.createElement(kind);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}
function svg(kind, fields, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
  for (const [name, value] of Object.entries(fields || {})) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/* A number for reading: four digits. */
function brief(x) {
  if (x === 0 || !isFinite(x)) return String(x).replace("-", "−").replace("Infinity", "∞");
  const size = Math.abs(x), text = size >= 1e5 || size < 1e-4 ? x.toExponential(2) : x.toPrecision(4);
  return text.replace(/-/g, "−");
}
/* A float32 with as many digits as tell it from all others. */
function exact(x) {
  for (let digits = 1; digits < 9; digits++) {
    const text = x.toPrecision(digits);
    if (Math.fround(Number(text)) === x) return String(Number(text)).replace("-", "−");
  }
  return String(Number(x.toPrecision(9))).replace("-", "−");
}
function percent(p) {
  if (p === 0) return "0 %";
  return p < 0.0001 ? "< 0.01 %" : (p * 100).toFixed(p >= 0.0995 ? 1 : 2) + " %";
}

/* What the reader has chosen. Every figure is a function that shows it. */
const state = {position: 0, layer: 0, head: 0};
const figures = [];
function choose(change) {
  Object.assign(state, change);
  for (const figure of figures) figure();
}
function fill_select(select, items) {
  select.replaceChildren(...items.map((text, i) => { const made = node("option", "", text); made.value = i; return made; }));
}

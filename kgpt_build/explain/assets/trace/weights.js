/* Every weight of a microgpt, and how one number comes from a row of a matrix. */
let matrix = "lm_head", matrix_row = -1; /* before a row is chosen, that of the next token */

function make_weights() {
  if (!$("weights-figure")) return;
  const names = Object.keys(trace.weights), show = heat($("weights-figure"));
  fill_select($("matrix"), names.map(name => `${name} (${trace.weights[name].shape.join(" × ")})`));
  $("matrix").value = names.indexOf(matrix);
  $("matrix").onchange = () => { matrix = names[$("matrix").value]; matrix_row = -1; show_weights(); };
  function show_weights() {
    const array = trace.weights[matrix], [rows, cols] = array.shape, all = values(array);
    if (matrix === "wte") matrix_row = trace.tokens[state.position].id;
    if (matrix === "wpe") matrix_row = state.position;
    const name = matrix === "wte" || matrix === "lm_head" ? named : r => String(r);
    if (matrix_row < 0) matrix_row = matrix === "lm_head" ? trace.tokens[state.position + 1]?.id ?? 0 : 0;
    show({rows, cols, label: `The matrix ${matrix}`, at: (r, c) => all[r * cols + c], row: name, mark: matrix_row, start: {r: matrix_row, c: 0},
      height: rows > 32 ? 16 : 22, tell: (r, c) => `${matrix}[${r}, ${c}] = ${exact(all[r * cols + c])}`,
      pick: r => { matrix_row = r; show_weights(); }});
    show_sum(row(array, matrix_row));
  }
  figures.push(show_weights);
}
/* The input and output of a matrix at the chosen position: {from, input, to, output}; null for a table of rows. */
function passage() {
  const t = state.position, found = /^layer(\d+)\.(.*)$/.exec(matrix);
  if (matrix === "lm_head") return {from: "the residual stream", input: row(trace.final, t), to: "logit", output: row(trace.logits, t)};
  if (!found) return null;
  const of = number => trace.layers.find(other => other.layer === number), i = Number(found[1]), one = of(i);
  const before = i ? row(of(i - 1)?.after_mlp, t) : row(trace.embedding, t);
  if (!before || !one?.after_attention) return null;
  const middle = row(one.after_attention, t), less = (a, b) => a.map((value, at) => value - b[at]);
  return {
    attn_wq: {from: "the normed stream", input: norm(before), to: "query", output: row(one.q_raw, t)},
    attn_wk: {from: "the normed stream", input: norm(before), to: "key", output: row(one.k_raw, t)},
    attn_wv: {from: "the normed stream", input: norm(before), to: "value", output: row(one.v, t)},
    attn_wo: {from: "what the heads read", input: row(one.attended, t), to: "addition to the stream", output: less(middle, before)},
    mlp_fc1: {from: "the normed stream", input: norm(middle), to: "neuron before ReLU", output: null},
    mlp_fc2: {from: "the neurons", input: row(one.activations, t), to: "addition to the stream", output: less(row(one.after_mlp, t), middle)},
  }[found[2]];
}
function show_sum(weights) {
  const way = passage(), t = state.position;
  $("sum").hidden = !way;
  if (!way) {
    $("sum-text").textContent = matrix.startsWith("layer") ? "The trace has no vectors of this layer." : `Row ${matrix_row} of ${matrix} is ${matrix === "wte" ? `the vector of ${quoted(t)}` : `the vector of position ${t}`}.`;
    return;
  }
  const products = [...weights.keys()].map(i => ({i, product: weights[i] * way.input[i]}));
  const sum = products.reduce((total, one) => total + one.product, 0);
  const most = products.sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, 16).filter(one => one.product);
  bars($("sum"), most.map(({i, product}) => ({key: `${i}`, value: product, text: `${brief(weights[i])} × ${brief(way.input[i])} = ${brief(product)}`})),
    `The largest products of row ${matrix_row}`);
  $("sum-text").textContent = `Row ${matrix_row} of ${matrix} times ${way.from} at position ${t}, element by element, sums to ${brief(sum)}`
    + (way.output ? `; the trace has ${exact(Math.fround(way.output[matrix_row]))} for this ${way.to}.` : ` (${way.to}).`);
}

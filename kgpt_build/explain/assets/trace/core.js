/* The trace of the page. */
const trace = JSON.parse($("trace").textContent), model = trace.model;
const shown = JSON.parse($("shown").textContent); /* the text of each token by its id, as the page writes it */
const n_steps = trace.embedding_norm.shape[0];

/* How much position t looks at s in a head: of the triangle s <= t, row by row. */
function attention(layer, head, t, s) {
  if (s > t) return 0;
  return values(layer.attention)[(head * n_steps * (n_steps + 1) + t * (t + 1)) / 2 + s];
}
const layer = () => trace.layers[state.layer];
const kv_head = head => Math.floor(head * model.n_head_kv / model.n_head);

const named = id => shown[id] ?? `#${id}`;
const glyph = position => named(trace.tokens[position].id);
const quoted = position => `“${glyph(position)}”`;
const draw_at = position => trace.draws.find(draw => draw.pos === position);

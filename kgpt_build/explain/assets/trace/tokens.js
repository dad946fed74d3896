/* The text as tokens, and the merges that made each. */
function bytes_of(hex) { return (hex.match(/../g) || []).map(pair => pair.toUpperCase()).join(" "); }
function text_of(hex) {
  const bytes = Uint8Array.from(hex.match(/../g) || [], pair => parseInt(pair, 16));
  const text = new TextDecoder("utf-8").decode(bytes);
  return text.includes("\ufffd") ? bytes_of(hex) : text.replace(/ /g, "␣").replace(/\n/g, "⏎").replace(/\t/g, "⇥");
}
/* The pieces of a token before its merges and after each. Merges say which two neighbours joined. */
function histories(one) {
  const pieces = [], undo = [...one.merges].reverse();
  let now = [one.data];
  pieces.unshift(now);
  for (const merge of undo) {
    const at = now.lastIndexOf(merge.left + merge.right);
    if (at < 0) return [];
    now = [...now.slice(0, at), merge.left, merge.right, ...now.slice(at + 1)];
    pieces.unshift(now);
  }
  return pieces;
}
function make_tokens() {
  const box = $("tokens-figure");
  trace.tokens.forEach((one, position) => {
    const card = node("li", position >= trace.n_prompt ? "reply" : "");
    card.append(node("span", "glyph", glyph(position)), node("small", "", `id ${one.id}`),
      node("small", "", bytes_of(one.data) || "no bytes"));
    box.append(card);
  });
  if (trace.tokens.length > 40) { box.classList.add("many"); box.tabIndex = 0; }
  if (trace.tokens.some(one => one.merges.length)) figures.push(show_merges);
  else $("merges").remove();
}
let merge_at = 0, merge_token = -1;
function show_merges() {
  const one = trace.tokens[state.position], history = histories(one), last = history.length - 1;
  if (merge_token !== state.position) { merge_token = state.position; merge_at = Math.max(0, last); }
  const slider = $("merge-step");
  slider.max = Math.max(0, last);
  slider.value = merge_at;
  slider.disabled = last < 1;
  slider.oninput = () => { merge_at = Number(slider.value); show_merges(); };
  const merge = one.merges[merge_at - 1], made = merge ? history[merge_at].indexOf(merge.left + merge.right) : -1;
  $("merge-figure").replaceChildren(...(history[merge_at] || [one.data]).map((piece, i) => {
    const card = node("li", i === made ? "new" : "");
    card.append(node("span", "glyph", text_of(piece) || glyph(state.position)), node("small", "", bytes_of(piece)));
    return card;
  }));
  $("merge-text").textContent = last < 1 ? `${quoted(state.position)} is one piece from the start.`
    : merge ? `Step ${merge_at} of ${last}: “${text_of(merge.left)}” and “${text_of(merge.right)}” become one; the rank of this merge is ${merge.rank}.`
    : `Step 0 of ${last}: the single pieces, before any merge.`;
}

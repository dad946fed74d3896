/* How the kernel chooses a token (kernel_c/infer/reply/sampler.c, lm_sampler.c), operation by operation in float32:
 * Math.fround after each operation on doubles rounds as single precision does. */
const f32 = Math.fround;
const LN2_HIGH = f32(0x162e4 / 0x20000), LN2_LOW = f32(0x17f7d1c / 0x1000000 / 0x100000), LOG2_E = f32(1.44269504);
const SERIES = [5040, 720, 120, 24, 6, 2].map(n => f32(1 / n));

/* kg_expf of x <= 0. */
function expf(x) {
  if (x < f32(-103.9721)) return 0;
  const n = Math.trunc(f32(f32(x * LOG2_E) + (x < 0 ? -0.5 : 0.5)));
  const r = f32(f32(x - f32(n * LN2_HIGH)) - f32(n * LN2_LOW));
  let series = SERIES[0];
  for (const coefficient of SERIES.slice(1)) series = f32(f32(series * r) + coefficient);
  series = f32(f32(series * f32(r * r)) + r);
  return f32(f32(series + 1) * 2 ** n);
}
/* kg_candidates_weigh: e^((logit - largest) / temperature) of each, and their sum in order. */
function weigh(logits, temperature) {
  const weights = new Float32Array(logits.length), largest = logits[0];
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    weights[i] = logits[i] === largest ? 1 : expf(f32(f32(logits[i] - largest) / temperature));
    sum = f32(sum + weights[i]);
  }
  return {weights, sum};
}
/* Places of those nearest to the entropy, until they sum to more than typical_p, in their order. */
function typical(logits, typicalP) {
  const {weights, sum} = weigh(logits, 1), p = weights.map(weight => f32(weight / sum));
  const entropy = p.reduce((total, x) => total - (x > 0 ? x * Math.log(x) : 0), 0);
  const far = p.map(x => x > 0 ? Math.abs(-Math.log(x) - entropy) : Infinity);
  const nearest = [...p.keys()].sort((a, b) => far[a] - far[b] || b - a), kept = [];
  for (let total = 0, i = 0; i < nearest.length && total <= f32(typicalP); i++) {
    total += p[nearest[i]];
    kept.push(nearest[i]);
  }
  return kept.sort((a, b) => a - b);
}
/* How many of the first remain after top_p, and then after min_p. */
function filtered(logits, topP, minP) {
  const {weights, sum} = weigh(logits, 1);
  let afterTop = logits.length, afterMin;
  if (topP < 1)
    for (let i = 0, total = 0; i < logits.length; i++) {
      total = f32(total + f32(weights[i] / sum));
      if (total >= f32(topP)) { afterTop = i + 1; break; }
    }
  afterMin = afterTop;
  if (minP > 0) {
    const least = f32(f32(minP) * f32(weights[0] / sum));
    for (afterMin = 1; afterMin < afterTop && f32(weights[afterMin] / sum) >= least;) afterMin++;
  }
  return [afterTop, afterMin];
}
/* Everything between the adjusted logits and the next token. `logits` are sorted, the largest first; `uniform` is the
 * number that was drawn in [0, 1). The result counts what each filter left, and has the places of the candidates. */
function sample(logits, settings, uniform) {
  const greedy = settings.temperature === 0, limit = settings.top_k || logits.length;
  let places = [...logits.keys()].slice(0, limit);
  const of = chosen => Float32Array.from(chosen, place => logits[place]), left = {top_k: places.length};
  if ((settings.typical_p ?? 1) < 1) places = typical(of(places), settings.typical_p).map(i => places[i]);
  left.typical_p = places.length;
  [left.top_p, left.min_p] = greedy ? [1, 1] : filtered(of(places), settings.top_p ?? 1, settings.min_p ?? 0);
  places = places.slice(0, left.min_p);
  const {weights, sum} = weigh(of(places), greedy ? 1 : f32(settings.temperature));
  const threshold = greedy ? 0 : f32(f32(uniform) * sum);
  let chosen = greedy ? 0 : places.length - 1;
  for (let i = 0, total = 0; i < places.length && !greedy; i++) {
    total = f32(total + weights[i]);
    if (total > threshold) { chosen = i; break; }
  }
  return {left, places, weights, total: sum, p: weights.map(weight => f32(weight / sum)), chosen};
}

/* Makes the page live. */
document.body.classList.add("live");
make_look();
for (const make of [make_bar, make_tokens, make_embedding, make_qkv, make_attention, make_mlp, make_stream, make_draw, make_reply, make_weights]) make();
/* The page begins where the choice was hardest: at the drawn token with the smallest probability. */
const hardest = trace.draws.reduce((least, draw) => least && share(least) <= share(draw) ? least : draw, null);
choose({position: hardest ? hardest.pos : n_steps - 1});
globalThis.kgpt = {opened: performance.now(), trace, values, sample, state, choose}; /* for the console, and for tests */
make_contents();

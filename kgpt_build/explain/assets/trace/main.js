/* Makes the page live. */
document.body.classList.add("live");
make_look();
for (const make of [make_bar, make_tokens, make_embedding, make_qkv, make_attention, make_mlp, make_stream, make_draw, make_reply, make_weights]) make();
/* The page begins where the choice was hardest: at the drawn token with the smallest probability. */
choose({position: trace.draws.reduce((least, draw) => share(draw) < share(least) ? draw : least).pos});
globalThis.kgpt = {opened: performance.now(), trace, values, sample, state, choose}; /* for the console, and for tests */
make_contents();

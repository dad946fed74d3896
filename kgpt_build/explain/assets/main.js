/* Makes the page live. */
function remember(value) { /* without storage, a choice lasts as long as the page */
  try {
    if (value === undefined) return localStorage.getItem("kgpt.look") || "";
    localStorage.setItem("kgpt.look", value);
  } catch (error) { /* a file that was opened without storage */ }
  return value || "";
}
document.body.classList.add("live");
look(remember());
$("look").onclick = () => {
  const next = document.documentElement.dataset.look === "dark" ? "light" : "dark";
  remember(next);
  look(next);
  choose({});
};
matchMedia("(prefers-color-scheme: dark)").onchange = () => { look(remember()); choose({}); };
for (const make of [make_bar, make_tokens, make_embedding, make_qkv, make_attention, make_mlp, make_stream, make_draw, make_reply, make_weights]) make();
/* The page begins where the choice was hardest: at the drawn token with the smallest probability. */
choose({position: trace.draws.reduce((least, draw) => share(draw) < share(least) ? draw : least).pos});
globalThis.kgpt = {opened: performance.now(), trace, values, sample, state, choose}; /* for the console, and for tests */

const links = new Map([...document.querySelectorAll(".contents a")].map(link => [link.hash.slice(1), link]));
const seen = new IntersectionObserver(entries => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }
}, {rootMargin: "-25% 0px -65% 0px"});
document.querySelectorAll("main section").forEach(section => seen.observe(section));

/* Light and dark, and colours for numbers. */
let palette;
function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = name => style.getPropertyValue(name).trim().match(/[0-9a-f]{2}/gi).slice(0, 3).map(part => parseInt(part, 16));
  palette = Object.fromEntries(["back", "card", "fore", "dim", "line", "blue", "warm"].map(name => [name, read("--" + name)]));
}
const rgb = parts => `rgb(${parts.map(Math.round).join(",")})`;
function mixed(to, share) { return palette.card.map((from, i) => from + (to[i] - from) * share); }
/* The colour of a value whose largest peer has the size `most`: blue above zero, orange below. */
function shade(value, most) {
  const share = most > 0 ? Math.min(1, Math.abs(value) / most) ** 0.75 : 0;
  return mixed(value < 0 ? palette.warm : palette.blue, share);
}
const light = parts => parts.map(part => { const x = part / 255; return x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4; })
  .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
/* Black or white, whichever contrasts more. */
const ink = parts => light(parts) > 0.179 ? "#000" : "#fff";

function look(chosen) {
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.look = dark ? "dark" : "light";
  $("look").textContent = dark ? "Light" : "Dark";
  $("look").setAttribute("aria-label", dark ? "Switch to light colours" : "Switch to dark colours");
  colours();
}

function remember(value) { /* without storage, a choice lasts as long as the page */
  try {
    if (value === undefined) return localStorage.getItem("kgpt.look") || "";
    localStorage.setItem("kgpt.look", value);
  } catch (error) { /* a file that was opened without storage */ }
  return value || "";
}
/* Figures are shown anew in other colours. */
function make_look() {
  look(remember());
  $("look").onclick = () => {
    const next = document.documentElement.dataset.look === "dark" ? "light" : "dark";
    remember(next);
    look(next);
    choose({});
  };
  matchMedia("(prefers-color-scheme: dark)").onchange = () => { look(remember()); choose({}); };
}
/* Marks the section in view among the contents. */
function make_contents() {
  const links = new Map([...document.querySelectorAll(".contents a")].map(link => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, {rootMargin: "-25% 0px -65% 0px"});
  document.querySelectorAll("main section").forEach(section => seen.observe(section));
}

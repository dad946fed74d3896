/* The button that steps through a page: `key` of the state, up to `last`, with a pause in milliseconds. */
let playing = 0;

function stop_playing() {
  clearInterval(playing);
  playing = 0;
  $("play").setAttribute("aria-pressed", "false");
}
function play(key, last, pause) {
  if (playing) { stop_playing(); return; }
  if (state[key] === last) choose({[key]: 0});
  $("play").setAttribute("aria-pressed", "true");
  playing = setInterval(() => {
    if (state[key] < last) choose({[key]: state[key] + 1});
    if (state[key] === last) stop_playing();
  }, pause);
}

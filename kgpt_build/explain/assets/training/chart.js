/* Lines over steps. `lines`: {name, points: [[x, y]], kind}; `log`: the y axis is logarithmic; `mark`: a step. */
function chart(box, {lines, log, mark, label, pick}) {
  const width = Math.max(280, box.clientWidth), height = Math.min(300, width * 0.6), left = 52, right = 10, low = 26, top = 10;
  const all = lines.flatMap(line => line.points).filter(point => !log || point[1] > 0), ys = all.map(point => point[1]);
  const of = y => log ? Math.log10(y) : y, last = Math.max(1, ...all.map(point => point[0]));
  const floor = of(Math.min(...ys)), ceiling = of(Math.max(...ys)), span = ceiling - floor || 1;
  const x = step => left + step / last * (width - left - right), y = value => height - low - (of(value) - floor) / span * (height - low - top);
  const drawing = svg("svg", {width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label});
  for (let i = 0; i <= 4; i++) {
    const at = floor + span * i / 4, value = log ? 10 ** at : at, where = height - low - i / 4 * (height - low - top);
    drawing.append(svg("path", {d: `M${left} ${where}H${width - right}`, class: "axis"}),
      svg("text", {x: left - 6, y: where + 4, "text-anchor": "end", class: "dim"}, Number(value.toPrecision(2)).toString()),
      svg("text", {x: x(last * i / 4), y: height - 8, "text-anchor": i === 4 ? "end" : i ? "middle" : "start", class: "dim"}, Math.round(last * i / 4).toLocaleString("en")));
  }
  for (const line of lines) {
    const points = line.points.filter(point => !log || point[1] > 0);
    drawing.append(svg("path", {d: points.map((point, i) => `${i ? "L" : "M"}${x(point[0]).toFixed(1)} ${y(point[1]).toFixed(1)}`).join(""), class: line.kind}));
    if (line.dots) for (const point of points) drawing.append(svg("circle", {cx: x(point[0]), cy: y(point[1]), r: 3.5, class: "dot warm"}));
  }
  drawing.append(svg("path", {d: `M${x(mark)} ${top}V${height - low}`, class: "marker"}));
  if (pick) drawing.onclick = event => pick((event.offsetX - left) / (width - left - right) * last);
  box.replaceChildren(drawing);
}

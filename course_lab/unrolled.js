// Draws what course_lab/feedback_figures.py hands over: backpropagation, which keeps every time
// step until it has walked back over all of them, above a trace, which keeps one number.
function unrolled(box, data) {
  const {spikes, trace, forward, back} = data, T = spikes.length;
  const left = 58, wide = 33, width = 720, height = 344, cell = 22;
  const X = t => left + t * wide, end = X(T) + 14;
  const range = {last: 2 * T, wait: 650, label: "moment", rest: T};
  stage(box, {width, height, ...range}, (pen, at, ink) => {
    const text = (words, x, y, colour = ink, weight = "") => {
      pen.fillStyle = colour;
      pen.font = `${weight} 13px sans-serif`;
      pen.fillText(words, x, y);
    };
    const square = (x, y, colour, full) => {
      pen.strokeStyle = pen.fillStyle = colour;
      pen.globalAlpha = full ? 0.75 : 0.3;
      if (full) pen.fillRect(x, y, cell, cell);
      else pen.strokeRect(x + 0.5, y + 0.5, cell - 1, cell - 1);
      pen.globalAlpha = 1;
    };
    const arrow = (x0, y, x1, colour) => {
      const turn = Math.sign(x1 - x0);
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = 2;
      pen.beginPath();
      pen.moveTo(x0, y);
      pen.lineTo(x1, y);
      pen.stroke();
      pen.beginPath();
      pen.moveTo(x1 + 7 * turn, y);
      pen.lineTo(x1, y - 5);
      pen.lineTo(x1, y + 5);
      pen.fill();
      pen.lineWidth = 1;
    };
    const bar = (words, share, y, colour) => {
      text(words, end, y);
      pen.globalAlpha = 0.3;
      pen.strokeStyle = ink;
      pen.strokeRect(end + 0.5, y + 7.5, 175, 12);
      pen.globalAlpha = 0.85;
      pen.fillStyle = colour;
      pen.fillRect(end, y + 8, 175 * share, 12);
      pen.globalAlpha = 1;
    };
    const seen = Math.min(at, T), walked = Math.max(0, at - T), kept = seen - walked;
    text("backpropagation through time", 0, 16, ink, "bold");
    ["output", "hidden", "input"].forEach((name, row) => {
      text(name, 0, 46 + row * 28);
      for (let t = 0; t < T; t++) square(X(t), 30 + row * 28, forward, t < kept);
    });
    if (at <= T && at) arrow(X(0), 124, X(seen - 1) + 14, forward);
    if (walked) arrow(X(T - 1) + cell, 124, X(kept) + 8, back);
    text(walked ? "… and walks back over it" : "writes down every step …", left, 148,
         walked ? back : forward);
    bar(`kept: ${kept} time step${kept === 1 ? "" : "s"}`, kept / T, 44, forward);
    bar(`gradient: ${walked} of ${T} steps in`, walked / T, 92, back);

    const top = 190, low = top + 122, now = Math.max(0, seen - 1), tall = 26;
    text("a trace", 0, top, ink, "bold");
    for (let t = 0; t < T; t++) {
      pen.globalAlpha = t === now ? 1 : 0.6;
      if (spikes[t] && t < seen) {
        pen.fillStyle = ink;
        pen.fillRect(X(t) + cell / 2 - 1.5, low + 6, 3, 16);
      }
      pen.globalAlpha = 1;
      if (t < seen) {
        pen.globalAlpha = t === now ? 0.9 : 0.13;
        pen.fillStyle = data.trace_colour;
        pen.fillRect(X(t), low - tall * trace[t], cell, tall * trace[t]);
        pen.globalAlpha = 1;
      }
    }
    pen.globalAlpha = 0.5;
    pen.fillStyle = ink;
    pen.fillRect(left, low, T * wide - 8, 1);
    pen.globalAlpha = 1;
    text("trace", 0, low - 4);
    text("spikes", 0, low + 19);
    bar(`kept: ${seen ? `1 number, ${trace[now].toFixed(2)}` : "nothing yet"}`, seen ? 1 / T : 0,
        top + 34, data.trace_colour);
    bar(`gradient: ${seen} of ${T} steps in`, seen / T, top + 82, back);
    if (at < T) return `step ${at} of ${T}`;
    return walked ? `back at step ${kept}` : `step ${T}, all seen`;
  });
}

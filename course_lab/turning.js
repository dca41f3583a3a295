// Draws what course_lab/feedback_figures.py hands over: a feedback matrix that noise makes, beside
// the weights that it never reads, and the angle between them; and the rival's angle.
function turning(box, data) {
  const {truth, learned, draws, angles} = data, rows = truth.length, columns = truth[0].length;
  const cell = 10, gap = 40, top = 26, wide = columns * cell, width = 2 * wide + gap;
  const low = top + rows * cell, dial = 140, height = low + dial + 64;
  const range = {last: draws.length - 1, wait: 260, label: "noise draws"};
  stage(box, {width, height, ...range}, (pen, at, ink) => {
    const text = (words, x, y, colour = ink, weight = "") => {
      pen.globalAlpha = 1;
      pen.fillStyle = colour;
      pen.font = `${weight} 13px sans-serif`;
      pen.fillText(words, x, y);
    };
    const field = (matrix, x0) => matrix.forEach((row, j) => row.forEach((value, k) => {
      pen.globalAlpha = Math.min(1, Math.abs(value) / 2.2);
      pen.fillStyle = value > 0 ? "#E69F00" : "#0080C8";
      pen.fillRect(x0 + k * cell, top + j * cell, cell - 0.5, cell - 0.5);
    }));
    text("what noise has made: Mᵀ", 0, top - 9, ink, "bold");
    text("the weights nobody reads: W", wide + gap, top - 9, ink, "bold");
    field(learned[at], 0);
    field(truth, wide + gap);

    const x0 = wide / 2 - 60, y0 = low + dial + 34;
    const needle = (degrees, colour, size, thick) => {
      const turn = degrees * Math.PI / 180, x = x0 + size * Math.cos(turn);
      const y = y0 - size * Math.sin(turn);
      pen.strokeStyle = pen.fillStyle = colour;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x, y);
      pen.stroke();
      pen.beginPath();
      pen.arc(x, y, 2 + thick, 0, 7);
      pen.fill();
      pen.lineWidth = 1;
    };
    pen.globalAlpha = 0.4;
    pen.strokeStyle = ink;
    pen.beginPath();
    pen.arc(x0, y0, dial, -Math.PI / 2, 0);
    pen.stroke();
    pen.globalAlpha = 1;
    needle(0, ink, dial, 2);
    needle(angles.single[at], data.single_colour, dial - 8, 3);
    needle(angles.feedback[at], data.feedback_colour, dial - 8, 3);
    text("true slope g, 0°", x0 + dial + 12, y0 + 4);
    text("90°", x0 - 10, y0 - dial - 8);
    const told = wide + gap, line = (k, words, colour, weight) =>
      text(words, told, low + 48 + 24 * k, colour, weight);
    line(0, `${draws[at].toLocaleString("en")} draws of noise`, ink, "bold");
    line(1, `M e: ${angles.feedback[at]}° off`, data.feedback_colour, "bold");
    line(2, `mean of L z/α: ${angles.single[at]}° off`, data.single_colour, "bold");
    return `${draws[at].toLocaleString("en")} draws`;
  });
}

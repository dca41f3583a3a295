// Draws what course_lab/low_rank.py hands over: A Bᵀ/√r, column by column, beside full noise.
function low_rank(box, data) {
  const {rows, columns, ranks, a, b, full} = data, cell = 7, top = 26, gap = 46, low = 92;
  const wide = columns * cell, width = 2 * wide + gap, height = top + rows * cell + low;
  const range = {first: 1, last: ranks, rest: 1, wait: 900, label: "rank r"};
  stage(box, {width, height, ...range}, (pen, r, ink) => {
    const text = (words, x, y, weight = "") => {
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      pen.font = `${weight} 13px sans-serif`;
      pen.fillText(words, x, y);
    };
    const square = (value, x, y) => {
      pen.globalAlpha = Math.min(1, Math.abs(value) / 2.2);
      pen.fillStyle = value > 0 ? "#E69F00" : "#0080C8";
      pen.fillRect(x, y, cell - 0.5, cell - 0.5);
    };
    const bars = (words, count, y, colour) => {
      text(words, 0, y + 13);
      pen.globalAlpha = 0.9;
      pen.fillStyle = colour;
      pen.fillRect(190, y + 2, (width - 260) * count / (rows * columns), 13);
      text(count.toLocaleString("en"), 196 + (width - 260) * count / (rows * columns), y + 13);
    };
    text(`two sticks, rank ${r}`, 0, top - 9, "bold");
    text("every number drawn", wide + gap, top - 9, "bold");
    for (let j = 0; j < rows; j++)
      for (let k = 0; k < columns; k++) {
        let sum = 0;
        for (let s = 0; s < r; s++) sum += a[j][s] * b[k][s];
        square(sum / Math.sqrt(r), k * cell, top + j * cell);
        square(full[j][k], wide + gap + k * cell, top + j * cell);
      }
    const below = top + rows * cell;
    text("random numbers drawn:", 0, below + 26, "bold");
    bars(`two sticks, rank ${r}`, r * (rows + columns), below + 36, "#D55E00");
    bars("every number drawn", rows * columns, below + 60, "#0072B2");
    return `rank ${r}`;
  });
}

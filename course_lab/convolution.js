// Draws what course_lab/convolution.py hands over: a window that slides over two pictures.
function convolution(box, data) {
  const {pictures, names, kernel, side, window: k} = data, out = side - k + 1;
  const cell = 10, large = 16, top = 26, tall = top + side * cell + 22;
  const middle = side * cell + 66, right = middle + k * large + 76;
  const width = right + out * cell + 4, height = 2 * tall - 8;
  const found = pictures.map(picture => Array.from({length: out * out}, (_, place) => {
    let sum = 0;
    for (let j = 0; j < k * k; j++) sum += kernel[j] * picture[at(place, j)];
    return sum;
  }));
  const most = Math.max(...found.flat().map(Math.abs));
  function at(place, j) {  // which pixel is the j-th of the window at this place
    const y = Math.floor(place / out) + Math.floor(j / k), x = place % out + j % k;
    return y * side + x;
  }
  const range = {last: out * out - 1, wait: 45, label: "place of the window"};
  stage(box, {width, height, ...range}, (pen, place, ink) => {
    const text = (words, x, y, weight = "", align = "left") => {
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      pen.textAlign = align;
      pen.font = `${weight} 13px sans-serif`;
      pen.fillText(words, x, y);
    };
    const square = (strength, colour, x, y, size) => {
      pen.globalAlpha = Math.min(1, Math.abs(strength));
      pen.fillStyle = colour;
      pen.fillRect(x, y, size - 0.5, size - 0.5);
    };
    const signed = (strength, x, y, size) =>
      square(strength, strength > 0 ? "#E69F00" : "#0080C8", x, y, size);
    const frame = (x, y, wide, line = 1) => {
      pen.globalAlpha = line > 1 ? 1 : 0.4;
      pen.strokeStyle = line > 1 ? "#D55E00" : ink;
      pen.lineWidth = line;
      pen.strokeRect(x, y, wide, wide);
    };
    const row = Math.floor(place / out), column = place % out;
    pictures.forEach((picture, which) => {
      const y0 = which * tall + top, low = y0 + (side * cell - k * large) / 2;
      text(names[which], 0, y0 - 9, "bold");
      picture.forEach((light, i) =>
        square(light, ink, i % side * cell, y0 + Math.floor(i / side) * cell, cell));
      frame(0, y0, side * cell);
      frame(column * cell, y0 + row * cell, k * cell, 2);
      text("×", middle - 32, y0 + side * cell / 2 + 5, "bold", "center");
      text(`the same ${k * k} weights`, middle + k * large / 2, low - 9, "", "center");
      kernel.forEach((weight, j) =>
        signed(weight, middle + j % k * large, low + Math.floor(j / k) * large, large));
      frame(middle, low, k * large);
      text("=", right - 36, y0 + side * cell / 2 + 5, "bold", "center");
      text("its map", right, y0 - 9, "bold");
      for (let p = 0; p <= place; p++)
        signed(found[which][p] / most, right + p % out * cell, y0 + Math.floor(p / out) * cell, cell);
      frame(right, y0, out * cell);
      frame(right + column * cell, y0 + row * cell, cell, 2);
    });
    return `place ${place + 1} of ${out * out}`;
  });
}

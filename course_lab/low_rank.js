// Draws what course_lab/low_rank.py hands over: A Bᵀ/√r, column by column, beside full noise.
function growing(box, data) {
  const {rows, columns, ranks, a, b, full} = data, cell = 7, top = 26, gap = 46, low = 92;
  const wide = columns * cell, width = 2 * wide + gap, height = top + rows * cell + low;
  const make = (tag, more) => Object.assign(document.createElement(tag), more);
  const canvas = make("canvas"), button = make("button", {type: "button"}), clock = make("span");
  const scrub = make("input", {type: "range", min: 1, max: ranks, value: 1}), bar = make("div");
  canvas.style.cssText = `width:100%;max-width:${width}px;display:block`;
  bar.style.cssText = `display:flex;gap:8px;align-items:center;max-width:${width}px`;
  scrub.style.flex = "1";
  scrub.setAttribute("aria-label", "rank r");
  button.style.cssText = "min-width:4.5em;padding:3px 8px;cursor:pointer";
  clock.style.cssText = "min-width:5em;font:13px sans-serif;color:inherit";
  bar.append(button, scrub, clock);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", box.querySelector("img").alt);
  box.replaceChildren(canvas, bar);
  let r = 1, playing = false, last = 0;

  function draw() {
    const shown = canvas.clientWidth || width, scale = shown / width * (devicePixelRatio || 1);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d"), ink = getComputedStyle(box).color;
    pen.scale(scale, scale);
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
    clock.textContent = `rank ${r}`;
    scrub.value = r;
    button.textContent = playing ? "Pause" : "Play";
  }

  function tick(now) {
    if (!playing || !box.isConnected) return;
    if (now - last > 900) {
      if (last) r = r + 1;
      last = now;
      if (r >= ranks) { r = ranks; playing = false; }
      draw();
    }
    requestAnimationFrame(tick);
  }

  button.onclick = () => {
    playing = !playing;
    if (playing && r >= ranks) r = 1;
    last = 0;
    draw();
    requestAnimationFrame(tick);
  };
  scrub.oninput = () => { playing = false; r = Number(scrub.value); draw(); };
  new ResizeObserver(draw).observe(canvas);
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  if (!calm) { playing = true; requestAnimationFrame(tick); }
  draw();
}

// Draws what course_lab/walk.py hands over: populations that walk over a landscape.
function walk(box, data) {
  const TICKS = 16, count = data.walks.length, gap = 14, top = 22;
  const width = 700, side = Math.min(420, (width - gap * (count - 1)) / count);
  const height = top + side + 44, [low, high] = data.span;
  const GOOD = "#D55E00", PATH = "#D55E00", HILL = [0, 114, 178];
  const make = (tag, more) => Object.assign(document.createElement(tag), more);
  const steps = (data.walks[0].means.length - 1) * TICKS + 1;
  const levels = Uint8Array.from(atob(data.levels), c => c.charCodeAt(0)), n = data.size;
  const ground = make("canvas", {width: n, height: n}), paint = ground.getContext("2d");
  const image = paint.createImageData(n, n);
  levels.forEach((level, i) => {  // the first row of a grid is its lowest y, of an image the highest
    const at = 4 * ((n - 1 - Math.floor(i / n)) * n + i % n);
    image.data.set([...HILL, Math.round(215 * level / 255)], at);
  });
  paint.putImageData(image, 0, 0);
  stage(box, {width, height, last: steps - 1, wait: 45, label: "generation"}, (pen, at, ink) => {
    const generation = Math.floor(at / TICKS), phase = at % TICKS / TICKS;
    data.walks.forEach((one, place) => {
      const x0 = place * (side + gap);
      const X = x => x0 + (x - low) / (high - low) * side;
      const Y = y => top + (high - y) / (high - low) * side;
      pen.fillStyle = ink;
      pen.font = "bold 13px sans-serif";
      pen.fillText(one.name, x0, 14);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(ground, x0, top, side, side);
      pen.globalAlpha = 0.4;
      pen.strokeStyle = ink;
      pen.strokeRect(x0 + 0.5, top + 0.5, side - 1, side - 1);
      pen.globalAlpha = 1;
      pen.save();
      pen.beginPath();
      pen.rect(x0, top, side, side);
      pen.clip();
      const [mx, my] = one.means[generation], next = one.means[generation + 1] || [mx, my];
      const moved = Math.max(0, (phase - 0.7) / 0.3), out = Math.min(1, phase / 0.25);
      const cx = mx + moved * (next[0] - mx), cy = my + moved * (next[1] - my);
      (one.members[generation] || []).forEach(([x, y], k) => {
        const good = one.better[generation][k] === "1", told = phase > 0.35;
        pen.globalAlpha = moved ? 1 - moved : 1;
        pen.fillStyle = told && good ? GOOD : "#fff";
        pen.strokeStyle = "#333";
        pen.beginPath();
        pen.arc(X(mx + out * (x - mx)), Y(my + out * (y - my)), 2.4, 0, 7);
        pen.fill();
        pen.stroke();
      });
      pen.globalAlpha = 1;
      pen.strokeStyle = PATH;
      pen.lineWidth = 2;
      pen.beginPath();
      one.means.slice(0, generation + 1).forEach(([x, y], k) =>
        k ? pen.lineTo(X(x), Y(y)) : pen.moveTo(X(x), Y(y)));
      pen.lineTo(X(cx), Y(cy));
      pen.stroke();
      pen.lineWidth = 1;
      pen.fillStyle = PATH;
      pen.beginPath();
      pen.arc(X(cx), Y(cy), 5, 0, 7);
      pen.fill();
      pen.restore();
      pen.fillStyle = ink;
      pen.font = "12px sans-serif";
      const words = `${data.across} →`;
      if (!place) pen.fillText(words, x0, top + side + 16);
      pen.fillText(`fitness of the mean ${one.fitness[generation].toFixed(2)}`, x0, top + side + 34);
    });
    pen.save();
    if (count === 1) {
      pen.translate(side + 16, top + side);
      pen.rotate(-Math.PI / 2);
      pen.fillStyle = ink;
      pen.fillText(`${data.up} →`, 0, 0);
    }
    pen.restore();
    return `generation ${generation} of ${data.walks[0].means.length - 1}`;
  });
}

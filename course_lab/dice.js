// Draws what course_lab/dice.py hands over: throws of a die, whom their windows reach, and the mean
// of the boxes that they leave.
function dice(box, data) {
  const {distances, throws, delta} = data, SLOW = 10, TICKS = 10, BIN = 7;
  const width = 720, height = 424, ground = 168, floor = 388, unit = 175, tall = 165;
  const X = u => width / 2 + u * unit, LIT = "#D55E00", MEAN = "#2E9BDA";
  const levels = {}, dots = distances.map(u => {
    const place = Math.round(X(u) / BIN);
    levels[place] = (levels[place] || 0) + 1;
    return [u, place * BIN, ground - 6 - 6.5 * (levels[place] - 1)];
  });
  const last = SLOW * TICKS + Math.ceil(Math.sqrt((throws.length - SLOW) * 30));
  const count = at => at < SLOW * TICKS ? 1 + Math.floor(at / TICKS)
    : Math.min(throws.length, SLOW + 1 + Math.floor((at - SLOW * TICKS) ** 2 / 30));
  stage(box, {width, height, last, wait: 75, label: "throw of the die"}, (pen, at, ink) => {
    const slow = at < SLOW * TICKS, phase = at % TICKS, n = count(at), z = throws[n - 1];
    const open = slow ? Math.min(1, (phase + 1) / 4) : 1, landed = !slow || phase > 5;
    const reach = delta * Math.abs(z), shown = reach * open;
    const text = (words, x, y, {weight = "", colour = ink, align = "left"} = {}) => {
      pen.fillStyle = colour;
      pen.textAlign = align;
      pen.font = `${weight} 13px sans-serif`;
      pen.fillText(words, x, y);
    };
    pen.fillStyle = LIT;
    pen.globalAlpha = 0.13;
    pen.fillRect(X(-shown), 30, X(shown) - X(-shown), floor - 30);
    pen.globalAlpha = 1;
    let lit = 0;
    for (const [u, x, y] of dots) {
      const inside = Math.abs(u) < shown;
      lit += inside;
      pen.globalAlpha = inside ? 1 : 0.45;
      pen.fillStyle = inside ? LIT : ink;
      pen.beginPath();
      pen.arc(x, y, 2.9, 0, 7);
      pen.fill();
    }
    pen.globalAlpha = 1;
    const sign = z < 0 ? "−" : "";
    text(`z = ${sign}${Math.abs(z).toFixed(2)}`, 0, 16, {weight: "bold"});
    text(`${lit} of ${dots.length} would change their mind`, 110, 16, {colour: LIT});
    text("does not fire", X(-1), ground + 20, {align: "center"});
    text("fires", X(1), ground + 20, {align: "center"});
    text("threshold", X(0), ground + 20, {align: "center", weight: "bold"});
    pen.strokeStyle = ink;
    pen.globalAlpha = 0.6;
    pen.beginPath();
    for (const y of [ground, floor]) { pen.moveTo(0, y + 0.5); pen.lineTo(width, y + 0.5); }
    pen.moveTo(X(0) + 0.5, 30);
    pen.lineTo(X(0) + 0.5, ground);
    pen.stroke();
    pen.globalAlpha = 1;
    const Y = slope => floor - Math.min(slope, 1.3) / 1.3 * tall;
    const curve = until => {
      pen.beginPath();
      for (let x = 0; x <= width; x += 1.5) {
        const u = Math.abs(x - width / 2) / unit;
        let sum = 0;
        for (let k = 0; k < until; k++)
          if (u < delta * Math.abs(throws[k])) sum += Math.abs(throws[k]) / (2 * delta);
        pen.lineTo(x, Y(until ? sum / until : 0));
      }
      pen.strokeStyle = MEAN;
      pen.lineWidth = 2.6;
      pen.stroke();
    };
    if (!landed || slow) {
      const high = Y(Math.abs(z) / (2 * delta));
      pen.globalAlpha = slow ? open : 0;
      pen.strokeStyle = LIT;
      pen.lineWidth = 1.4;
      pen.setLineDash([5, 4]);
      pen.strokeRect(X(-shown), high, X(shown) - X(-shown), floor - high);
      pen.setLineDash([]);
      pen.globalAlpha = 1;
    }
    curve(landed ? n : n - 1);
    pen.lineWidth = 1;
    text("mean of all boxes so far", 0, floor - tall + 14, {weight: "bold", colour: MEAN});
    if (slow) text("box of this throw", 0, floor - tall + 32, {colour: LIT});
    for (const u of [-2, -1, 0, 1, 2])
      text(`${u < 0 ? "−" : ""}${Math.abs(u)}`, X(u), floor + 16,
           {align: u < -1 ? "left" : u > 1 ? "right" : "center"});
    text("distance to the threshold u = v − θ", X(0), floor + 33, {align: "center"});
    return `throw ${n} of ${throws.length}`;
  });
}

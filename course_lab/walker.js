// Draws what course_lab/walker.py hands over: two walkers, their guesses as arrows, their steps.
function walker(box, data) {
  const width = 700, top = 26, panel = 338, tall = 300, height = top + tall + 4;
  const unit = panel / 7.2, DOWN = "#009E73", GUESS = "#56B4E9", MEAN = "#D55E00";
  const stops = data.walks[0].arrows.length, guesses = data.walks[0].arrows[0].length;
  const beats = guesses + 4, steps = stops * beats + 1;
  const range = {last: steps - 1, wait: 110, label: "progress of the walk"};
  stage(box, {width, height, ...range}, (pen, at, ink) => {
    const stop = Math.min(stops - 1, Math.floor(at / beats)), beat = at - stop * beats;
    data.walks.forEach((walk, place) => {
      const x0 = place * (panel + 24);
      const X = x => x0 + panel / 2 + unit * x, Y = y => top + tall / 2 - unit * y;
      const line = (from, to, colour, thick, alpha, head) => {
        pen.globalAlpha = alpha;
        pen.strokeStyle = pen.fillStyle = colour;
        pen.lineWidth = thick;
        const [ax, ay, bx, by] = [X(from[0]), Y(from[1]), X(to[0]), Y(to[1])];
        pen.beginPath(); pen.moveTo(ax, ay); pen.lineTo(bx, by); pen.stroke();
        if (head) {
          const turn = Math.atan2(by - ay, bx - ax), size = 3 + 2 * thick;
          pen.beginPath(); pen.moveTo(bx, by);
          for (const side of [-0.5, 0.5])
            pen.lineTo(bx - size * Math.cos(turn + side), by - size * Math.sin(turn + side));
          pen.fill();
        }
      };
      const dot = (x, y, size, colour, alpha) => {
        pen.globalAlpha = alpha;
        pen.fillStyle = colour;
        pen.beginPath(); pen.arc(X(x), Y(y), size, 0, 2 * Math.PI); pen.fill();
      };
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      pen.font = "bold 13px sans-serif";
      pen.fillText(walk.name, x0, top - 10);
      pen.save();
      pen.beginPath(); pen.rect(x0, top, panel, tall); pen.clip();
      pen.strokeStyle = ink;
      pen.lineWidth = 1;
      for (let level = 0.25; level < 14; level *= 1.8) {
        pen.globalAlpha = 0.3;
        pen.beginPath();
        pen.ellipse(X(0), Y(0), unit * Math.sqrt(2 * level / data.curvature[0]),
                    unit * Math.sqrt(2 * level / data.curvature[1]), 0, 0, 2 * Math.PI);
        pen.stroke();
      }
      dot(0, 0, 5, DOWN, 1);
      for (let k = 0; k < stop; k++)
        line(walk.places[k], walk.places[k + 1], MEAN, 2, 0.8, false);
      const here = walk.places[stop], length = 0.5;
      const ahead = (arrow, by) => [here[0] + by * arrow[0], here[1] + by * arrow[1]];
      for (let k = 0; k <= Math.min(beat, guesses - 1); k++)
        line(here, ahead(walk.arrows[stop][k], length), GUESS, k === beat ? 3 : 1.5,
             k === beat ? 1 : 0.5, true);
      if (beat < guesses) {  // where the height is asked for
        const z = walk.directions[stop][beat];
        for (const sign of place ? [1, -1] : [1])
          dot(...ahead(z, sign * data.sigma), 4, "#E69F00", 1);
      }
      const down = data.curvature.map((c, k) => -c * here[k]);
      line(here, ahead(down, length), DOWN, 3, 1, true);
      if (beat >= guesses) {
        const mean = [0, 1].map(k =>
          walk.arrows[stop].reduce((sum, arrow) => sum + arrow[k], 0) / guesses);
        line(here, ahead(mean, length), MEAN, 3.5, 1, true);
      }
      const moved = beat === beats ? walk.places[stop + 1] : here;
      if (beat === beats) line(here, moved, MEAN, 2, 0.8, false);
      dot(moved[0], moved[1], 6, ink, 1);
      pen.restore();
      pen.globalAlpha = 0.4;
      pen.strokeStyle = ink;
      pen.lineWidth = 1;
      pen.strokeRect(x0 + 0.5, top + 0.5, panel - 1, tall - 1);
      pen.globalAlpha = 1;
    });
    return beat < guesses ? `stop ${stop + 1}, guess ${beat + 1}`
      : `stop ${stop + 1}, one step`;
  });
}

// Draws what course_lab/player.py hands over: events, hidden spikes and votes, step by step.
function player(box, data) {
  const {steps, classes, sensor: [wide, high]} = data, side = Math.max(wide, high);
  const share = high > 1 ? high / side : 1;  // of a square: the channels of one row fill it
  const eye = 210, row = 21, top = 24, alone = !data.scenes.length;
  const bins = alone ? 1 : data.scenes[0].spikes.length, count = data.films.length;
  const large = Math.min(326, Math.floor((700 - 24 * (count - 1)) / count));  // events alone
  const width = 700, tall = top + (alone ? large * share : Math.max(eye, classes.length * row)) + 12;
  const height = tall * Math.max(1, data.scenes.length);
  const BRIGHTER = [230, 159, 0], DARKER = [0, 128, 200], RIGHT = "#009E73", WRONG = "#D55E00";
  for (const film of data.films) {
    const bytes = Uint8Array.from(atob(film.events), c => c.charCodeAt(0));
    film.table = side > 256 ? new Uint16Array(bytes.buffer) : bytes;
    film.byStep = Array.from({length: steps}, () => []);
    for (let i = 0; i < film.table.length; i += 4) film.byStep[film.table[i]].push(i);
  }
  function glowAt({table, byStep}, step) {  // an event fades over the six steps after it
    const glow = new Map();
    for (let age = 5; age >= 0; age--)
      for (const i of byStep[step - age] || [])
        glow.set(table[i + 1] + wide * table[i + 2], [table[i + 3], 0.55 ** age]);
    return glow;
  }

  const range = {last: steps - 1, wait: 50, label: "time in the recording"};
  stage(box, {width, height, ...range}, (pen, at, ink) => {
    // a step, mostly of 3 ms, takes 50: about sixteen times slower than life
    const text = (words, x, y, colour = ink, size = 12, weight = "", room) => {
      pen.fillStyle = colour;
      pen.font = `${weight} ${size}px sans-serif`;
      pen.fillText(words, x, y, room);
      return Math.min(pen.measureText(words).width, room);
    };
    const camera = (film, x0, y0, size) => {
      const pixel = size / side, least = Math.max(1, pixel);
      pen.globalAlpha = 0.35;
      pen.strokeStyle = ink;
      pen.strokeRect(x0 + 0.5, y0 + 0.5, size * wide / side, size * share);
      for (const [where, [polarity, light]] of glowAt(film, at)) {
        pen.globalAlpha = light;
        pen.fillStyle = `rgb(${polarity ? DARKER : BRIGHTER})`;
        const x = x0 + where % wide * pixel, y = y0 + Math.floor(where / wide) * pixel;
        pen.fillRect(x, y, least, high > 1 ? least : size);
      }
      pen.globalAlpha = 1;
    };
    const passed = (at + 1) * data.step, bin = data.span / bins;
    const done = Math.min(bins, Math.floor(passed / bin)), age = passed / bin - done;
    data.scenes.forEach((scene, place) => {
      const y0 = place * tall + top;
      text(scene.name, 0, y0 - 9, ink, 13, "bold");
      camera(data.films[0], 0, y0, eye);
      const counts = Array(classes.length).fill(0);
      for (const r of scene.rows) counts[r]++;
      const size = Math.min(15, 230 / Math.max(...counts)), taken = counts.map(() => 0);
      text(`${scene.rows.length} hidden neurons`, 240, y0 - 9);
      scene.rows.forEach((r, n) => {
        const lit = done && scene.spikes[done - 1][n] === "1" ? 1 - Math.min(1, age) : 0;
        pen.globalAlpha = 0.14 + 0.86 * lit;
        pen.fillStyle = lit ? "#E69F00" : ink;
        pen.fillRect(240 + size * taken[r]++, y0 + r * row + (row - size) / 2, size - 2, size - 2);
      });
      pen.globalAlpha = 1;
      const votes = done ? scene.votes[done - 1] : counts.map(() => 1 / classes.length);
      const answer = votes.indexOf(Math.max(...votes)), right = answer === data.label;
      text(done ? `votes: ${classes[answer]}${right ? "" : ", but it is " + data.truth}` : "votes",
           500, y0 - 9, done ? (right ? RIGHT : WRONG) : ink, 12, "bold", width - 500);
      const named = classes.map((name, k) => text(name, 500, y0 + k * row + 15, ink, 13,
                                                  k === data.label ? "bold" : "", 100));
      const bars = 500 + Math.max(16, 6 + Math.max(...named));
      votes.forEach((vote, k) => {
        pen.globalAlpha = k === answer && done ? 1 : 0.4;
        pen.fillStyle = k === answer && done ? (right ? RIGHT : WRONG) : ink;
        pen.fillRect(bars, y0 + k * row + 4, Math.max(1, (696 - bars) * vote), row - 8);
        pen.globalAlpha = 1;
      });
    });
    if (alone) data.films.forEach((film, place) => {
      text(film.name, place * (large + 24), top - 9, ink, 13, "bold");
      camera(film, place * (large + 24), top, large);
    });
    return `${Math.round(Math.min(passed, data.span))} of ${Math.round(data.span)} ms`;
  });
}

// Draws what course_lab/scaling_figures.py hands over: four workers, and what travels between them.
function messages(box, data) {
  const {generations, moments, fitness, weights, panels} = data, wide = 340, gap = 20;
  const width = 2 * wide + gap, height = 330, W = 104, H = 62, top = 34;
  const places = [[0, top], [wide - W - 1, top], [0, top + 186], [wide - W - 1, top + 186]];
  const send = 8, arrive = 14;  // moments of a generation: work until send, step after arrive
  const range = {last: generations * moments, wait: 130, label: "time, in generations"};
  stage(box, {width, height, ...range}, (pen, at, ink) => {
    const generation = Math.min(generations - 1, Math.floor(at / moments));
    const now = at - generation * moments;
    const text = (words, x, y, weight = "", size = 13) => {
      pen.globalAlpha = 1;
      pen.fillStyle = ink;
      pen.font = `${weight} ${size}px sans-serif`;
      pen.fillText(words, x, y);
    };
    panels.forEach((panel, side) => {
      const x0 = side * (wide + gap), evolution = side === 0;
      text(panel.name, x0, 16, "bold");
      pen.strokeStyle = ink;
      for (let a = 0; a < 4; a++)
        for (let b = 0; b < a; b++) {
          pen.globalAlpha = 0.2;
          pen.beginPath();
          pen.moveTo(x0 + places[a][0] + W / 2, places[a][1] + H / 2);
          pen.lineTo(x0 + places[b][0] + W / 2, places[b][1] + H / 2);
          pen.stroke();
        }
      if (now >= send && now < arrive) {
        const way = (now - send + 0.5) / (arrive - send);
        for (let a = 0; a < 4; a++)
          for (let b = 0; b < 4; b++) {
            if (a === b) continue;
            const x = x0 + W / 2 + places[a][0] + way * (places[b][0] - places[a][0]);
            const y = H / 2 + places[a][1] + way * (places[b][1] - places[a][1]);
            pen.globalAlpha = 0.75;
            pen.fillStyle = panel.colour;
            pen.fillRect(x - panel.size / 2, y - panel.size / 2, panel.size, panel.size);
            if (panel.size > 4) continue;
            pen.globalAlpha = 0.5;
            pen.strokeStyle = ink;
            pen.beginPath();
            pen.arc(x, y, 7, 0, 7);
            pen.stroke();
          }
      }
      places.forEach(([px, py], worker) => {
        const x = x0 + px, done = generation + (now >= arrive);
        pen.strokeStyle = ink;
        pen.globalAlpha = 0.12;
        pen.fillStyle = ink;
        pen.fillRect(x, py, W, H);
        pen.globalAlpha = 0.6;
        pen.strokeRect(x + 0.5, py + 0.5, W, H);
        weights[done].forEach((value, k) => {
          pen.globalAlpha = Math.abs(value);
          pen.fillStyle = value > 0 ? "#E69F00" : "#0080C8";
          pen.fillRect(x + W - 40 + 9 * (k % 4), py + 17 + 9 * Math.floor(k / 4), 8, 8);
        });
        if (!evolution) {
          pen.globalAlpha = 0.8;
          pen.fillStyle = panel.colour;
          const part = Math.min(1, now / send) * (now < arrive ? 1 : 0);
          pen.fillRect(x + 8, py + 52 - 40 * part, 44, 40 * part);
        } else
          fitness[generation].forEach((value, member) => {
            const own = Math.floor(member / 4) === worker;
            const known = own ? now / 2 > member % 4 : now >= arrive;
            if (!known) return;
            pen.globalAlpha = own ? 1 : 0.45;
            pen.fillStyle = own ? panel.colour : ink;
            pen.fillRect(x + 6 + 3.3 * member, py + 52 - 40 * value, 2.6, 40 * value);
          });
      });
      const turns = generation + (now >= arrive);
      text(`each has received ${(turns * panel.bytes).toLocaleString("en")} bytes`, x0, height - 30);
      text(now < send ? panel.works : now < arrive ? panel.sends : panel.steps, x0, height - 10);
    });
    return `generation ${generation + 1} of ${generations}`;
  });
}

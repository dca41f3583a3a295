// What all moving pictures share: a canvas at the screen's own resolution, a button, a slider and a
// clock. paint(pen, at, ink) draws one moment on a page of width × height in the colours of the
// theme, and returns what the clock says.
function stage(box, {width, height, first = 0, last, wait, label, rest = last}, paint) {
  const make = (tag, more) => Object.assign(document.createElement(tag), more);
  const canvas = make("canvas"), button = make("button", {type: "button"});
  const scrub = make("input", {type: "range", min: first, max: last, value: first});
  const clock = make("span"), bar = make("div");
  canvas.style.cssText = `width:100%;max-width:${width}px;display:block`;
  bar.style.cssText = `display:flex;gap:8px;align-items:center;max-width:${width}px`;
  scrub.style.flex = "1";
  scrub.setAttribute("aria-label", label);
  button.style.cssText = "min-width:4.5em;padding:3px 8px;cursor:pointer";
  clock.style.cssText = "min-width:9em;font:13px sans-serif;color:inherit";
  bar.append(button, scrub, clock);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", box.querySelector("img").alt);
  box.replaceChildren(canvas, bar);
  let at = first, playing = false, since = 0;

  function draw() {
    const shown = canvas.clientWidth || width, scale = shown / width * (devicePixelRatio || 1);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    clock.textContent = paint(pen, at, getComputedStyle(box).color);
    scrub.value = at;
    button.textContent = playing ? "Pause" : "Play";
  }

  function tick(now) {
    if (!playing || !box.isConnected) return;
    since = since || now;
    if (now - since > wait) {  // milliseconds a moment stays
      since = now;
      at = Math.min(last, at + 1);
      playing = at < last;
      draw();
    }
    requestAnimationFrame(tick);
  }

  function play() {
    playing = true;
    since = 0;
    requestAnimationFrame(tick);
  }

  button.onclick = () => {
    if (playing) playing = false;
    else { if (at >= last) at = first; play(); }
    draw();
  };
  scrub.oninput = () => { playing = false; at = Number(scrub.value); draw(); };
  new ResizeObserver(draw).observe(canvas);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) at = rest; else play();
  draw();
}

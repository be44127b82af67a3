// Live clocks: "in 2 h", "3 days late". Without this script the times stand there as they are.
"use strict";
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];
const words = new Intl.RelativeTimeFormat("en", { numeric: "always" });
const { now, speed } = document.body.dataset; // a demo's time runs faster
const opened = Date.now();
function tell() {
  const current = Date.parse(now) + (Date.now() - opened) * Number(speed);
  for (const one of document.querySelectorAll("time.clock")) {
    const seconds = (new Date(one.dateTime) - current) / 1000;
    const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= 2 * size) || ["minute", 60];
    if (!one.title) one.title = one.textContent;
    one.textContent = words.format(Math.trunc(seconds / size), unit);
    one.classList.toggle("late", seconds < 0);
  }
}
tell();
setInterval(tell, 10000);

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

// What moves by itself: the part of the page called fresh is fetched again, unless somebody types or opened something.
const fresh = document.getElementById("fresh");
async function again() {
  const now = document.getElementById("fresh");
  if (document.hidden || now.contains(document.activeElement) || now.querySelector("details[open]") || "still" in now.dataset) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const next = page.getElementById("fresh");
  if (next) now.replaceWith(next);
  tell();
}
const waiting = document.querySelector("[data-again]"); // what is worked out beside the page
const anew = () => { // unless somebody types or opened something, as above
  if (document.activeElement.closest("form") || document.querySelector("details.ask[open]")) setTimeout(anew, 3000);
  else location.reload();
};
if (waiting) setTimeout(anew, 1000 * Number(waiting.dataset.again));
if (fresh) setInterval(again, 1000 * Number(fresh.dataset.every));

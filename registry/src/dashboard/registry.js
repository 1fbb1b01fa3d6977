// Follows changes: the page is made on the server, and fetched again when something happened.
"use strict";
const live = document.getElementById("live");
let waits = false;
async function refresh() {
  waits = false;
  if (document.activeElement && document.activeElement.matches("input")) return;
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } }).catch(() => null);
  if (!answer || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const main = page.getElementById("main");
  if (main) document.getElementById("main").replaceWith(main);
}
function soon() {
  if (!waits) { waits = true; setTimeout(refresh, 500); }
}
const events = new EventSource("/speargun/watch");
events.onopen = () => { live.textContent = "live"; };
events.onerror = () => { live.textContent = "connection lost"; };
events.addEventListener("change", soon);
events.addEventListener("reset", soon);
setInterval(soon, 10000);

// Runs before a page's own scripts, past its policy, and keeps what only the browser knows.
"use strict";

(() => {
  const seen = { shift: 0, shifts: [], painted: null };
  Object.defineProperty(window, "tusouSeen", { value: seen });

  const named = (node) => {
    if (!node || !node.tagName) return "something";
    const kind = typeof node.className === "string" ? node.className.trim().replace(/\s+/g, ".") : "";
    return node.tagName.toLowerCase() + (node.id ? `#${node.id}` : "") + (kind ? `.${kind}` : "");
  };

  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      if (entry.hadRecentInput) continue;
      seen.shift += entry.value;
      seen.shifts.push(`${entry.value.toFixed(4)}: ${entry.sources.map((one) => named(one.node)).join(", ")}`);
    }
  }).observe({ type: "layout-shift", buffered: true });

  // The first picture of an answer that is whole, and the frame that shows it.
  const look = () => {
    const whole = [...document.querySelectorAll(".hit img")].find((one) => one.complete && one.naturalWidth);
    if (!whole) return;
    const results = whole.closest("main");
    if (results === seen.results) return;
    seen.results = results;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { seen.painted = performance.now(); };
      channel.port2.postMessage(null);
    });
  };
  document.addEventListener("load", (event) => { if (event.target.localName === "img") look(); }, true);
})();

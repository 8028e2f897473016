// What a script adds to a page that works without one: the figures are fetched again every few seconds. What is open,
// where the focus is, and how far somebody has scrolled stays as it is.
"use strict";

(() => {
  const text = document.body.dataset;
  const every = Number(text.interval);
  const said = document.getElementById("said");
  const hold = document.getElementById("hold");
  let timer = null;
  let held = false;
  let since = null;
  let running = null;

  // What was done is told once: loading the page again does not ask for it again.
  const here = new URL(location.href);
  if (here.searchParams.has("said")) {
    here.searchParams.delete("said");
    history.replaceState(null, "", here);
  }

  const openKeys = (root) =>
    new Set([...root.querySelectorAll("details[open]")].map((one) => one.dataset.key));

  // Somebody who has marked words is about to copy them.
  const marks = (root) => {
    const marked = getSelection();
    return marked && !marked.isCollapsed && root.contains(marked.anchorNode);
  };

  const show = (fresh) => {
    const old = document.getElementById("now");
    const open = openKeys(old);
    const active = old.contains(document.activeElement) ? document.activeElement.id : "";
    for (const one of fresh.querySelectorAll("details")) one.open = open.has(one.dataset.key);
    // Pictures that are there already need not be fetched again.
    const pictures = new Map([...old.querySelectorAll("img")].map((one) => [one.getAttribute("src"), one]));
    for (const one of fresh.querySelectorAll("img")) {
      const known = pictures.get(one.getAttribute("src"));
      if (known) one.replaceWith(known);
    }
    const [x, y] = [scrollX, scrollY];
    old.replaceWith(document.adoptNode(fresh));
    if (active) {
      const again = document.getElementById(active);
      if (again) again.focus({ preventScroll: true });
    }
    scrollTo({ left: x, top: y, behavior: "instant" });
  };

  const clock = (at) => at.toLocaleTimeString(document.documentElement.lang);

  const refresh = async () => {
    timer = null;
    if (held || document.hidden) return;
    running = new AbortController();
    const limit = setTimeout(() => running.abort(), Math.max(10000, 2 * every));
    try {
      const answer = await fetch(here.pathname + here.search, { signal: running.signal, cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("now");
      if (!fresh) throw new Error("no figures in the answer");
      if (!marks(document.getElementById("now"))) show(fresh);
      if (since) said.textContent = text.fresh;
      else if (said.textContent) said.textContent = "";
      since = null;
    } catch (error) {
      if (!since) {
        since = new Date();
        said.textContent = text.away + " " + clock(since) + ". " + text.stand;
      }
    } finally {
      clearTimeout(limit);
      running = null;
      next();
    }
  };

  const next = () => {
    if (timer === null && !held && !document.hidden) timer = setTimeout(refresh, every);
  };

  hold.hidden = false;
  hold.addEventListener("click", () => {
    held = !held;
    hold.textContent = held ? text.go : text.hold;
    if (held) {
      clearTimeout(timer);
      timer = null;
    } else refresh();
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(timer);
      timer = null;
    } else if (running === null && !held) {
      clearTimeout(timer);
      refresh();
    }
  });

  next();
})();

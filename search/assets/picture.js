// What a script adds to a page that works without one: a picture can be dropped, pasted or taken, is searched with as
// soon as it is there, without leaving the page, and so is a part of it.
"use strict";

(() => {
  const KEPT = 6; // pictures and their answers that one can go back to
  const LEAST = 0.02; // the share of a side below which a box is a slip of the hand
  const NARROWEST = 24; // pixels across that a part needs to be searched with
  const WIDEST = 1600; // pixels of the longer side that are sent of a part

  const text = document.body.dataset;
  const form = document.getElementById("by-picture");
  const file = document.getElementById("image");
  const camera = document.getElementById("camera");
  const drop = document.getElementById("drop");
  const WHOLE = Object.freeze({ left: 0, top: 0, right: 1, bottom: 1 });
  // What can be gone back to, by a number that stands in the history's state.
  const past = new Map();
  let running = null;
  // The picture in hand, the part of it that was searched with, and its address in this page.
  let held = null;
  let part = WHOLE;
  let address = null;
  let choosing = false;

  const say = tusouSay;
  const results = () => document.getElementById("results");

  // ---- showing an answer

  // The page's policy names only its own first style block. So that of an answer is left out, and the shapes that it
  // holds are set here.
  const read = (html) =>
    new DOMParser().parseFromString(html.replace(/<style>[^<]*<\/style>/, ""), "text/html");

  const shape = (within) => {
    for (const hit of within.querySelectorAll(".hit")) {
      hit.style.setProperty("--a", hit.dataset.aspect);
    }
  };

  const hold = (picture, region) => {
    // Who is choosing a part goes on with the same picture.
    choosing = picture === held && Boolean(document.querySelector("#asked .part[open]"));
    if (picture !== held) {
      if (address) URL.revokeObjectURL(address);
      address = picture && URL.createObjectURL(picture);
    }
    held = picture;
    part = region;
  };

  // Decoded before it is put in: it has its size then, and nothing below it moves.
  let view = null;
  const look = async () => {
    view = new Image();
    view.src = address || "";
    try {
      await view.decode();
    } catch {
      // Shown as far as this browser can.
    }
  };

  const show = (html, returning = false) => {
    const page = read(html);
    const fresh = page.getElementById("results");
    if (!fresh) throw new Error("no results in the answer");
    shape(fresh);
    const asked = fresh.querySelector("#asked");
    results().replaceWith(document.adoptNode(fresh));
    if (asked && held) {
      const place = asked.querySelector("img");
      view.alt = place.alt;
      place.replaceWith(view);
      asked.hidden = false;
      asked.querySelector(".part").open = choosing;
      mark(asked, part);
    }
    document.body.classList.remove("home");
    document.body.classList.toggle("held", Boolean(held));
    document.title = page.title;
    document.getElementById("q").value = "";
    if (!returning) {
      fresh.focus({ preventScroll: true });
      window.scrollTo(0, 0);
    }
    document.dispatchEvent(new Event("tusou:results"));
  };

  // ---- searching

  const wanted = (query) => {
    const target = new URL(form.action);
    for (const [name, value] of query || []) {
      if (value && name !== "cursor") target.searchParams.set(name, value);
    }
    return target;
  };

  const search = async (picture, region = WHOLE, query = null) => {
    if (running) running.abort();
    const own = running = new AbortController();
    document.body.classList.add("busy");
    say(text.searching);
    try {
      const body = new FormData();
      const sent = region === WHOLE ? picture : await cut(picture, region);
      body.append("image", sent, picture.name || "picture");
      const answer = await fetch(wanted(query), { method: "POST", body, signal: own.signal });
      const html = await answer.text();
      if (own.signal.aborted) return;
      hold(picture, region);
      await look();
      if (own.signal.aborted) return;
      show(html);
      remember(html);
      say("");
    } catch (error) {
      if (error.name !== "AbortError") say(error.name === "EncodingError" ? text.noFile : text.away);
    } finally {
      if (running === own) {
        running = null;
        document.body.classList.remove("busy");
        file.value = camera.value = "";
      }
    }
  };

  // An upload has no address, so going back to it shows what was kept of it here; from another page, the last answer,
  // which the tab keeps without its picture.
  const remember = (html) => {
    const number = Date.now();
    past.set(number, { html, held, part });
    for (const old of [...past.keys()].slice(0, -KEPT)) past.delete(old);
    history.pushState({ number }, "", form.action);
    try {
      sessionStorage.setItem("answer", JSON.stringify({ number, html }));
    } catch {
      // The tab keeps nothing, or has no room: going back leads home.
    }
  };

  const comeBack = () => {
    if (!history.state || !history.state.number) return;
    try {
      const kept = JSON.parse(sessionStorage.getItem("answer"));
      if (kept && kept.number === history.state.number) show(kept.html, true);
    } catch {
      // As above.
    }
  };

  window.addEventListener("popstate", (event) => {
    const kept = past.get(event.state && event.state.number);
    if (!kept) {
      location.reload();
      return;
    }
    hold(kept.held, kept.part);
    look().then(() => show(kept.html, true));
  });

  // ---- a part of the picture

  const cut = async (picture, region) => {
    const whole = await createImageBitmap(picture);
    const x = Math.round(region.left * whole.width);
    const y = Math.round(region.top * whole.height);
    const across = Math.max(NARROWEST, Math.round((region.right - region.left) * whole.width));
    const down = Math.max(NARROWEST, Math.round((region.bottom - region.top) * whole.height));
    const width = Math.min(across, whole.width);
    const height = Math.min(down, whole.height);
    const left = Math.min(x, whole.width - width);
    const top = Math.min(y, whole.height - height);
    // No model looks at more, and a camera's whole picture without loss is more than is taken.
    const scale = Math.min(1, WIDEST / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(width * scale));
    canvas.height = Math.max(1, Math.round(height * scale));
    canvas.getContext("2d").drawImage(whole, left, top, width, height, 0, 0, canvas.width, canvas.height);
    whole.close();
    return new Promise((done, failed) => canvas.toBlob(
      (blob) => (blob ? done(blob) : failed(new DOMException("nothing was drawn", "EncodingError"))), "image/png"));
  };

  // The picture that is shown as asked with: the one in hand, or an indexed one's thumbnail.
  const picture = async () => {
    if (held) return held;
    const shown = document.querySelector("#asked img");
    return (await fetch(shown.src)).blob();
  };

  const mark = (asked, region) => {
    const box = asked.querySelector(".region");
    box.hidden = region.left === 0 && region.top === 0 && region.right === 1 && region.bottom === 1;
    box.style.left = `${region.left * 100}%`;
    box.style.top = `${region.top * 100}%`;
    box.style.width = `${(region.right - region.left) * 100}%`;
    box.style.height = `${(region.bottom - region.top) * 100}%`;
    for (const edge of asked.querySelectorAll("[data-edge]")) {
      edge.value = Math.round(region[edge.dataset.edge] * 100);
    }
  };

  const byEdges = (asked) => {
    const at = {};
    for (const edge of asked.querySelectorAll("[data-edge]")) at[edge.dataset.edge] = edge.value / 100;
    return {
      left: Math.min(at.left, at.right - LEAST), right: Math.max(at.right, at.left + LEAST),
      top: Math.min(at.top, at.bottom - LEAST), bottom: Math.max(at.bottom, at.top + LEAST),
    };
  };

  const searchPart = async (region) => {
    try {
      search(await picture(), region, chosen());
    } catch {
      say(text.away);
    }
  };

  // What narrows the search that is shown stays as it is.
  const chosen = () => {
    const filters = document.querySelector(".refine.with-picture form");
    const sense = document.querySelector(".refine.with-picture .senses [aria-current]");
    const query = new Map(filters ? new FormData(filters) : []);
    if (sense) query.set("mode", new URL(sense.href).searchParams.get("mode"));
    return query;
  };

  let drawn = null;
  const within = (event) => {
    const box = drawn.stage.getBoundingClientRect();
    const share = (at, from, length) => Math.min(1, Math.max(0, (at - from) / length));
    return { x: share(event.clientX, box.left, box.width), y: share(event.clientY, box.top, box.height) };
  };
  const region = (event) => {
    const end = within(event);
    const { from } = drawn;
    return {
      left: Math.min(from.x, end.x), right: Math.max(from.x, end.x),
      top: Math.min(from.y, end.y), bottom: Math.max(from.y, end.y),
    };
  };

  document.addEventListener("pointerdown", (event) => {
    const stage = event.target.closest(".stage-asked");
    if (!stage || event.button !== 0) return;
    // A finger scrolls, unless a part is being chosen.
    if (event.pointerType !== "mouse" && !document.querySelector(".part[open]")) return;
    event.preventDefault();
    drawn = { stage };
    drawn.from = within(event);
    stage.setPointerCapture(event.pointerId);
  });
  document.addEventListener("pointermove", (event) => {
    if (drawn) mark(drawn.stage.parentElement, region(event));
  });
  document.addEventListener("pointerup", (event) => {
    if (!drawn) return;
    const box = region(event);
    const asked = drawn.stage.parentElement;
    drawn = null;
    if (box.right - box.left < LEAST || box.bottom - box.top < LEAST) mark(asked, part);
    else searchPart(box);
  });
  document.addEventListener("pointercancel", () => {
    if (drawn) mark(drawn.stage.parentElement, part);
    drawn = null;
  });
  document.addEventListener("input", (event) => {
    const asked = event.target.matches("[data-edge]") && event.target.closest("#asked");
    if (asked) mark(asked, byEdges(asked));
  });

  // ---- what is pressed

  document.addEventListener("click", (event) => {
    // By its address it would be a step in the history, and a step in the history shows what was there before.
    if (event.target.closest(".skip")) {
      event.preventDefault();
      results().focus();
      return;
    }
    const button = event.target.closest("#asked [data-do]");
    if (button) {
      const asked = button.closest("#asked");
      searchPart(button.dataset.do === "whole" ? WHOLE : byEdges(asked));
      return;
    }
    // What narrows a search by an upload: the picture goes along.
    const link = event.target.closest(".with-picture a");
    if (link && held && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      search(held, part, new URL(link.href).searchParams);
    }
  });

  document.addEventListener("submit", (event) => {
    if (event.target === form) {
      event.preventDefault();
      if (file.files[0]) search(file.files[0]);
    } else if (held && event.target.closest(".with-picture")) {
      event.preventDefault();
      search(held, part, chosen());
    }
  });

  for (const input of [file, camera]) {
    input.addEventListener("change", () => { if (input.files[0]) search(input.files[0]); });
  }

  // ---- what is pasted and dropped

  const pictureIn = (items) =>
    [...(items ? items.files : [])].find((one) => one.type.startsWith("image/"));
  const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");

  document.addEventListener("paste", (event) => {
    const pasted = pictureIn(event.clipboardData);
    if (pasted) {
      event.preventDefault();
      search(pasted);
    }
  });

  // Entering a child fires before leaving its parent: only a leave to nowhere ends the drag.
  document.addEventListener("dragenter", (event) => { if (holdsFiles(event)) drop.hidden = false; });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.hidden = true; });
  document.addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
  document.addEventListener("drop", (event) => {
    drop.hidden = true;
    if (!holdsFiles(event)) return;
    event.preventDefault();
    const dropped = pictureIn(event.dataTransfer);
    if (dropped) search(dropped); else say(text.noFile);
  });

  comeBack();
})();

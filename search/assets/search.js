// What a script adds to a page that works without one: a picture can be dropped or pasted, and is
// searched with as soon as it is chosen, without leaving the page.
"use strict";

(() => {
  const root = document.documentElement;
  const text = document.body.dataset;
  const form = document.getElementById("by-picture");
  const file = document.getElementById("image");
  const drop = document.getElementById("drop");
  const said = document.getElementById("said");
  let running = null;
  let shown = null;

  root.classList.add("js");

  const say = (words) => { said.textContent = words; };

  // The page's policy names only its own first style block. So that of an answer is left out, and
  // the shapes that it holds are set here.
  const read = (html) =>
    new DOMParser().parseFromString(html.replace(/<style>[^<]*<\/style>/, ""), "text/html");

  const shape = (main) => {
    for (const hit of main.querySelectorAll(".hit")) {
      hit.style.setProperty("--a", hit.dataset.aspect);
    }
  };

  const show = (page, picture) => {
    const fresh = page.getElementById("results");
    if (!fresh) throw new Error("no results in the answer");
    shape(fresh);
    const asked = fresh.querySelector("#asked");
    if (shown) URL.revokeObjectURL(shown);
    shown = null;
    if (asked) {
      shown = URL.createObjectURL(picture);
      asked.src = shown;
      asked.hidden = false;
    }
    document.getElementById("results").replaceWith(document.adoptNode(fresh));
    document.body.classList.remove("home");
    document.title = page.title;
    document.getElementById("q").value = "";
    fresh.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  };

  const search = async (picture) => {
    if (running) running.abort();
    const own = running = new AbortController();
    const body = new FormData();
    body.append("image", picture, picture.name || "picture");
    document.body.classList.add("busy");
    say(text.searching);
    try {
      const answer = await fetch(form.action, { method: "POST", body, signal: own.signal });
      const html = await answer.text();
      show(read(html), picture);
      say("");
    } catch (error) {
      if (error.name !== "AbortError") say(text.away);
    } finally {
      if (running === own) {
        running = null;
        document.body.classList.remove("busy");
        file.value = "";
      }
    }
  };

  const pictureIn = (items) =>
    [...(items ? items.files : [])].find((one) => one.type.startsWith("image/"));

  const holdsFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");

  file.addEventListener("change", () => { if (file.files[0]) search(file.files[0]); });

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (file.files[0]) search(file.files[0]);
  });

  document.addEventListener("paste", (event) => {
    const picture = pictureIn(event.clipboardData);
    if (picture) {
      event.preventDefault();
      search(picture);
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
    const picture = pictureIn(event.dataTransfer);
    if (picture) search(picture); else say(text.noFile);
  });
})();

// Further pictures come as one scrolls, and the address follows: it can be shared, and gone back to.
"use strict";

(() => {
  const AHEAD = "1600px"; // so early that they are there before one is
  const BY_THEMSELVES = 5; // pages that come without being asked for: then the end of the page can be reached again
  const said = document.getElementById("said");
  const text = document.body.dataset;
  let came = 0;
  let loading = false;
  // Where each part of the grid begins, and its address: null for that of an upload, which has none.
  let parts = [];

  const more = () => document.querySelector("#results > .more > a[rel=next]");
  const grid = () => document.querySelector("#results > .grid");
  const hits = (within) => [...within.querySelectorAll("#results > .grid > .hit")];

  // The address of the page that this link leads to, without the cursor, which goes stale.
  const lasting = (link) => {
    const address = new URL(link.href);
    if (!address.searchParams.has("from")) return null;
    address.searchParams.delete("cursor");
    return address;
  };

  const seen = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting) && came < BY_THEMSELVES) load(false);
  }, { rootMargin: `0px 0px ${AHEAD}` });

  // While more come by themselves, the room for them is there already: nothing that is seen moves when they do.
  const watch = () => {
    seen.disconnect();
    const link = more();
    if (!link) return;
    link.parentElement.classList.toggle("coming", came < BY_THEMSELVES);
    seen.observe(link.parentElement);
  };

  const load = async (pressed) => {
    const link = more();
    if (!link || loading) return;
    loading = true;
    link.setAttribute("aria-busy", "true");
    const own = grid();
    try {
      const address = lasting(link);
      const answer = await fetch(link.href);
      if (!answer.ok) throw new Error(`${answer.status}`);
      const html = await answer.text();
      const page = new DOMParser().parseFromString(html.replace(/<style>[^<]*<\/style>/, ""), "text/html");
      if (own !== grid()) return;
      // Those of a further page have a grid of their own, so that no row changes.
      const further = page.querySelector("#results > .grid");
      const next = page.querySelector("#results > .more");
      const known = new Set(hits(document).map((hit) => hit.dataset.id));
      const added = [];
      for (const hit of further ? hits(page) : []) {
        if (known.has(hit.dataset.id)) hit.remove(); else added.push(hit);
        hit.style.setProperty("--a", hit.dataset.aspect);
      }
      came = pressed ? 1 : came + 1;
      if (next && came < BY_THEMSELVES) next.classList.add("coming");
      const place = link.parentElement;
      if (further) place.before(document.adoptNode(further));
      if (next) place.replaceWith(document.adoptNode(next)); else place.remove();
      if (address && added[0]) parts.push({ begins: added[0], address });
      if (pressed && added[0]) added[0].querySelector("a").focus({ preventScroll: true });
      tusouSay(text.more);
      setTimeout(() => { if (said.textContent === text.more) tusouSay(""); }, 2000);
    } catch {
      // The link stays, and leads there without a script too.
      came = BY_THEMSELVES;
      if (pressed) location.assign(link.href);
    } finally {
      loading = false;
      link.removeAttribute("aria-busy");
      watch();
    }
  };

  // The address is that of the part at the top of the window.
  let waiting = false;
  const addressOf = (reached) => {
    const current = parts.filter((part) => part.begins.isConnected && reached(part.begins)).pop();
    return current ? current.address : first;
  };
  const put = (address) => {
    if (address && address.href !== location.href) history.replaceState(history.state, "", address);
  };
  const follow = () => {
    waiting = false;
    const top = window.innerHeight / 3;
    put(addressOf((begins) => begins.getBoundingClientRect().top < top));
  };
  let first = null;

  const begin = () => {
    came = 0;
    parts = [];
    // A picture that was sent has no address to follow.
    first = document.body.classList.contains("held") || !grid() ? null : new URL(location.href);
    if (first) {
      first.hash = "";
      if (first.searchParams.has("from")) first.searchParams.delete("cursor");
    }
    watch();
  };

  window.addEventListener("scroll", () => {
    if (waiting || !parts.length) return;
    waiting = true;
    setTimeout(follow, 250);
  }, { passive: true });

  document.addEventListener("click", (event) => {
    const pressed = event.target.closest("#results > .more > a[rel=next]");
    if (pressed && pressed === more() && grid() && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      load(true);
      return;
    }
    // Coming back from a picture leads to its place: the address gets the id of the hit that was left for.
    const hit = event.target.closest("#results > .grid > .hit");
    if (hit && event.target.closest("a") && first) {
      const before = Node.DOCUMENT_POSITION_PRECEDING;
      const address = new URL(addressOf((begins) => begins === hit || hit.compareDocumentPosition(begins) & before));
      address.hash = hit.id;
      put(address);
    }
  });

  document.addEventListener("tusou:results", begin);
  begin();
})();

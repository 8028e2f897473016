// Runs before anything is drawn: what needs a script is laid out from the start, and nothing moves when the others come.
"use strict";

document.documentElement.classList.add("js");

// Says something to whoever looks or listens. Each saying is an element of its own, in a box that stays: nothing moves.
const tusouSay = (words) => {
  const saying = document.createElement("span");
  saying.textContent = words;
  document.getElementById("said").replaceChildren(...(words ? [saying] : []));
};

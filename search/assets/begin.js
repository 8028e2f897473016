// Runs before anything is drawn: what needs a script is laid out from the start, and nothing moves when the others come.
"use strict";

document.documentElement.classList.add("js");

// Runs in every document before its own scripts.
(() => {
  const nothing = () => null;
  // A console is followed by whoever debugs; here it would only be carried about.
  for (const name of Object.keys(console)) {
    if (typeof console[name] === 'function') console[name] = () => {};
  }
  window.open = nothing;
  window.print = nothing;
  // Datagrams know no proxy.
  for (const name of ['RTCPeerConnection', 'webkitRTCPeerConnection', 'WebTransport']) {
    try { delete window[name]; } catch { /* then the browser's own policy is left */ }
  }
})();

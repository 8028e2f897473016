// Resolves when the document has not changed for half a second, or after three.
new Promise((resolve) => {
  let still;
  const watch = new MutationObserver(() => {
    clearTimeout(still);
    still = setTimeout(finish, 500);
  });
  const most = setTimeout(finish, 3000);
  function finish() {
    watch.disconnect();
    clearTimeout(still);
    clearTimeout(most);
    resolve(true);
  }
  still = setTimeout(finish, 500);
  watch.observe(document, { subtree: true, childList: true });
})

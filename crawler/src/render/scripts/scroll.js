// Scrolls most of a screen down and lets a frame be drawn: [whether it is at the end, the height].
new Promise((resolve) => {
  const root = document.scrollingElement || document.documentElement;
  const step = Math.max(200, Math.floor(window.innerHeight * 0.8));
  window.scrollTo({ top: root.scrollTop + step, behavior: 'instant' });
  const tell = () => {
    const height = root.scrollHeight;
    resolve([root.scrollTop + window.innerHeight >= height - 2, height]);
  };
  const late = setTimeout(tell, 300);
  requestAnimationFrame(() => requestAnimationFrame(() => {
    clearTimeout(late);
    setTimeout(tell, 20);
  }));
})

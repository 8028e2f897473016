// The document as markup, open shadow roots as declarative ones:
// [its address, its markup, what its img elements show and its icons are].
(() => {
  const most = 8 * 1024 * 1024;
  const html = document.documentElement;
  const roots = [];
  const shown = [];
  const waiting = [document];
  while (waiting.length > 0 && roots.length < 10000) {
    for (const element of waiting.pop().querySelectorAll('*')) {
      const named = element.localName === 'img' ? element.currentSrc
        : element.localName === 'link' && /icon/i.test(element.rel) ? element.href : '';
      if (named && shown.length < 5000) {
        shown.push(named.split('#')[0].slice(0, 4096).toWellFormed());
      }
      if (element.shadowRoot) {
        roots.push(element.shadowRoot);
        waiting.push(element.shadowRoot);
      }
    }
  }
  let markup = '';
  if (html) {
    const tag = html.cloneNode(false).outerHTML;
    const open = tag.slice(0, tag.lastIndexOf('</'));
    markup = '<!DOCTYPE html>' + (open || tag) + html.getHTML({ shadowRoots: roots });
  }
  return [document.URL, markup.slice(0, most).toWellFormed(), shown];
})()

/** Small helpers over the document. */

/** The element with this id; a missing one is a programming mistake. */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new TypeError(`The page has no #${id}`);
  return element;
}

/** An element with properties and children; texts are texts, never markup. */
export function create(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** Sets a text only when it changed, so that nothing is laid out or read aloud again for nothing. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Calls `render` once before the next picture, however often the result is called. A hidden page waits. */
export function batched(render) {
  let due = 0;
  return () => {
    due ||= requestAnimationFrame(() => {
      due = 0;
      render();
    });
  };
}

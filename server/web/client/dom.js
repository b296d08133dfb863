// Small things that every view needs.

/** The element with this id. */
export const at = (id) => document.getElementById(id);

/** The parts of a view by their names: {name: element} for each data-is below the root. */
export function partsOf(root) {
  const parts = {};
  for (const element of root.querySelectorAll('[data-is]')) {
    parts[element.dataset.is] = element;
  }
  return parts;
}

/** A copy of what stands in the <template> of this name. */
export const copyOf = (name) => at(`${name}-template`).content.cloneNode(true);

/** Sets an element's text if it is another one: what stays is not painted again. */
export function setText(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** Shows the text, or hides the element where there is none. */
export function showOrHide(element, text) {
  setText(element, text ?? '');
  element.hidden = text === null;
}

/** A function that calls fn in the next frame, however often it is called until then. */
export function oncePerFrame(fn) {
  let frame = 0;
  return () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      fn();
    });
  };
}

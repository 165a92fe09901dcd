// Making elements: text becomes text and never markup, so nothing that a peer wrote can act as code. There is no way
// here to set a handler, a style or markup from a string.

/** What an attribute may be: `true` sets it empty; `false`, null and undefined leave it out. */
export type AttributeValue = string | number | boolean | null | undefined;

/** Handlers by event. */
export type Listeners = {
  readonly [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void;
};

/** Attributes by their names in HTML, and handlers under `on`. */
export interface Props {
  readonly on?: Listeners;
  readonly [attribute: string]: AttributeValue | Listeners;
}

/** What may stand in an element; what is false, null or undefined is left out. */
export type Child = Node | string | number | false | null | undefined;

const SVG = 'http://www.w3.org/2000/svg';

/** Makes an HTML element. */
export function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  children: readonly Child[] = [],
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  setAttributes(made, props);
  for (const [name, listener] of Object.entries(props.on ?? {})) {
    made.addEventListener(name, listener as EventListener);
  }
  fill(made, children);
  return made;
}

/** Makes an SVG element. A whole picture without an `aria-label` is decoration, and not spoken. */
export function drawing<Tag extends keyof SVGElementTagNameMap>(
  tag: Tag,
  props: Props = {},
  children: readonly Child[] = [],
): SVGElementTagNameMap[Tag] {
  const made = document.createElementNS(SVG, tag);
  if (tag === 'svg' && props['aria-label'] === undefined) made.setAttribute('aria-hidden', 'true');
  setAttributes(made, props);
  fill(made, children);
  return made;
}

/** Replaces what stands in a node. */
export function fill(parent: Element, children: readonly Child[]): void {
  const kept = children.filter((child) => child !== false && child !== null && child !== undefined);
  parent.replaceChildren(...kept.map((child) => (typeof child === 'number' ? String(child) : child)));
}

/** A button that does one thing. */
export function button(label: Child, onClick: () => void, props: Props = {}): HTMLButtonElement {
  return element('button', { type: 'button', ...props, on: { ...props.on, click: onClick } }, [label]);
}

/** Keeps a button from being pressed again while its work goes on: over a slow network nothing else shows that it does. */
export async function whileBusy(pressed: HTMLButtonElement, work: () => Promise<void>): Promise<void> {
  pressed.disabled = true;
  await work();
  pressed.disabled = false;
}

let fields = 0;

/** A control under its visible label. */
export function labelled(label: string, control: HTMLElement, hint?: string): HTMLDivElement {
  fields += 1;
  control.id ||= `field-${fields}`;
  const told =
    hint === undefined ? undefined : element('p', { id: `${control.id}-hint`, class: 'hint' }, [hint]);
  if (told !== undefined) control.setAttribute('aria-describedby', told.id);
  return element('div', { class: 'field' }, [element('label', { for: control.id }, [label]), control, told]);
}

function setAttributes(target: Element, props: Props): void {
  for (const [name, value] of Object.entries(props)) {
    if (name === 'on' || value === false || value === null || value === undefined) continue;
    if (name.startsWith('on') || name === 'style' || name === 'srcdoc') {
      throw new Error(`${name} cannot be set from text`);
    }
    target.setAttribute(name, value === true ? '' : String(value));
  }
}

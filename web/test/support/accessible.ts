// What every page owes to those who see little, use the keyboard or have thick thumbs, looked for in a real browser.

import axe from 'axe-core';
import type { Page } from 'playwright-core';

const NAMED_ROLES = new Set([
  'button',
  'link',
  'textbox',
  'searchbox',
  'combobox',
  'listbox',
  'checkbox',
  'radio',
  'slider',
  'spinbutton',
  'switch',
  'tab',
  'menuitem',
  'img',
  'image',
  'dialog',
  'progressbar',
  'ColorWell',
]);

/** WCAG to 2.2 AA, and what axe-core calls good practice. */
const STANDARDS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

declare global {
  interface Window {
    axe: typeof axe;
  }
}

interface Shown {
  readonly what: string;
  readonly found: number;
}

/** Everything on the page that is shown now and lacks something, a line each. */
export async function lacks(page: Page): Promise<string[]> {
  const complaints = await nameless(page);
  const frame = await page.evaluate(() => ({
    language: document.documentElement.lang,
    title: document.title,
    mains: document.querySelectorAll('main').length,
    headers: document.querySelectorAll('body > header').length,
    navigations: document.querySelectorAll('nav[aria-label]').length,
    firsts: document.querySelectorAll('h1').length,
    ids: Array.from(document.querySelectorAll('[id]'), ({ id }) => id),
    tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
  }));
  if (frame.language !== 'en') complaints.push('the language is not told');
  if (frame.title === '') complaints.push('there is no title');
  if (frame.mains !== 1 || frame.headers !== 1) complaints.push('there must be one main part and one header');
  if (frame.navigations === 0) complaints.push('there is no navigation with a name');
  if (frame.firsts !== 1) complaints.push(`${frame.firsts} headings of the first level`);
  if (new Set(frame.ids).size !== frame.ids.length) complaints.push('an id is there twice');
  if (frame.tooWide > 0) complaints.push(`the page is ${frame.tooWide} pixels too wide`);
  complaints.push(...(await axeFinds(page)));
  for (const { what, found } of await faint(page)) complaints.push(`contrast ${found.toFixed(2)}: ${what}`);
  return complaints;
}

/** What axe-core's rules find: the rule, and where. */
async function axeFinds(page: Page): Promise<string[]> {
  // Evaluated, since the page's policy lets no script in that is not its own.
  await page.evaluate(axe.source);
  return page.evaluate(async (standards) => {
    const { violations } = await window.axe.run(document, { runOnly: standards });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 120)}`));
  }, STANDARDS);
}

/** Controls that a thumb would miss: lower or narrower than 44 pixels. Links within a text are left out. */
export async function small(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const least = 43.9;
    const controls =
      'button, .button, select, textarea, nav a, input:not([type=checkbox], [type=radio], [type=range])';
    return Array.from(document.querySelectorAll<HTMLElement>(controls))
      .filter((control) => control.checkVisibility({ visibilityProperty: true }))
      .map((control) => ({ control, box: control.getBoundingClientRect() }))
      .filter(({ box }) => box.width > 1 && (box.height < least || box.width < least))
      .map(({ control, box }) => `${control.outerHTML.slice(0, 80)} is ${box.width} by ${box.height}`);
  });
}

/** Asks the browser itself for the names that a screen reader would speak. */
async function nameless(page: Page): Promise<string[]> {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const spoken = nodes.filter((node) => !node.ignored && NAMED_ROLES.has(String(node.role?.value)));
  const complaints: string[] = [];
  for (const node of spoken.filter((found) => String(found.name?.value ?? '').trim() === '')) {
    const role = String(node.role?.value);
    const told = await session.send('DOM.describeNode', { backendNodeId: node.backendDOMNodeId ?? 0 });
    complaints.push(`a ${role} has no name: ${told.node.localName} ${told.node.attributes?.join(' ') ?? ''}`);
  }
  await session.detach();
  return complaints;
}

/** Texts whose colour is too near to that of their ground (WCAG 2.2, 1.4.3). */
async function faint(page: Page): Promise<Shown[]> {
  return page.evaluate(() => {
    type Colour = readonly [number, number, number, number];
    const read = (text: string): Colour => {
      const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number);
      return [red, green, blue, alpha];
    };
    const channel = (value: number) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    };
    const luminance = ([red, green, blue]: Colour) =>
      0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue);
    const ground = (start: Element): Colour => {
      for (let at: Element | null = start; at !== null; at = at.parentElement) {
        const colour = read(getComputedStyle(at).backgroundColor);
        if (colour[3] === 1) return colour;
      }
      return [255, 255, 255, 1];
    };
    const hasText = (found: Element) =>
      Array.from(found.childNodes).some(
        (node) => node.nodeType === Node.TEXT_NODE && node.textContent?.trim() !== '',
      );
    const shown = Array.from(document.body.querySelectorAll('*')).filter(
      (found) =>
        hasText(found) &&
        !found.closest('noscript, svg') &&
        found.checkVisibility({ visibilityProperty: true }),
    );
    return shown.flatMap((found) => {
      const style = getComputedStyle(found);
      const [one, other] = [luminance(read(style.color)), luminance(ground(found))];
      const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      const size = Number.parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      return contrast < (large ? 3 : 4.5) ? [{ what: found.outerHTML.slice(0, 100), found: contrast }] : [];
    });
  });
}

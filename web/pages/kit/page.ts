// The frame of every page: the header with the way to the others, the main part, the messages, the offline worker.

import './kit.css';
import { makeRegion } from './announce.ts';
import { element, type Props } from './element.ts';
import { workOffline } from './offline.ts';

/** The pages by name. */
export type PageName = 'start' | 'whiteboard' | 'notes' | 'inspector';

const PAGES: readonly { name: PageName; path: string; title: string }[] = [
  { name: 'start', path: '/', title: 'Seabag' },
  { name: 'whiteboard', path: '/whiteboard', title: 'Whiteboard' },
  { name: 'notes', path: '/notes', title: 'Notes' },
  { name: 'inspector', path: '/inspector', title: 'Inspector' },
];

/** Where a page puts its own things. */
export interface Page {
  readonly main: HTMLElement;
  /** At the end of the header: status and the like. */
  readonly aside: HTMLElement;
}

/** Builds the frame into the body. `wide` uses the whole window, for pages that are a tool rather than a text. */
export function openPage(here: PageName, { wide = false } = {}): Page {
  const main = element('main', { id: 'main', tabindex: -1, class: wide ? 'wide' : false });
  const aside = element('div', { class: 'aside' });
  const skip = element('a', { href: '#main', class: 'skip' }, ['Skip to the content']);
  skip.addEventListener('click', (event) => {
    // The fragment holds the room, so following the link must not replace it.
    event.preventDefault();
    main.focus();
  });
  const links = PAGES.map(({ name, path, title }) => {
    const props: Props = { href: path, 'aria-current': name === here ? 'page' : false };
    return element('li', {}, [element('a', props, [title])]);
  });
  const nav = element('nav', { 'aria-label': 'Pages' }, [element('ul', {}, links)]);
  document.body.replaceChildren(skip, element('header', { class: 'top' }, [nav, aside]), main);
  makeRegion();
  workOffline();
  return { main, aside };
}

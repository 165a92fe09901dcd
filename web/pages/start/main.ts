// The page `/`: what this server is, and the way to the other pages.

import './start.css';
import { announceError } from '../kit/announce.ts';
import { element, fill } from '../kit/element.ts';
import { readFragment } from '../kit/fragment.ts';
import { openPage } from '../kit/page.ts';
import { roomForm, showRoom } from './room.ts';
import { type About, askAbout, rooms } from './server.ts';

const CARDS = [
  {
    path: '/whiteboard',
    title: 'Whiteboard',
    text: 'Draw together. Send the link, and see each other’s pens move.',
  },
  {
    path: '/notes',
    title: 'Notes',
    text: 'Private notes on all your devices, offline too. This server cannot read them.',
  },
  {
    path: '/inspector',
    title: 'Inspector',
    text: 'Look into a room or an account: what is in it, and what comes by.',
  },
];

const { main, aside } = openPage('start');
const state = element('span', { class: 'muted', role: 'status' }, ['…']);
const place = element('div', {});
aside.append(state);
main.append(
  element('h1', {}, ['This is Seabag']),
  element('p', {}, [
    'This server keeps rooms: whoever knows a room’s id hears what is said in it, at once and in order. It also keeps sealed bags: private data of people who sync their devices through it, which it cannot open.',
  ]),
  element('ul', { class: 'cards' }, CARDS.map(card)),
  element('section', { 'aria-labelledby': 'room', class: 'card' }, [
    element('h2', { id: 'room' }, ['A room of your own']),
    place,
  ]),
  element('section', { 'aria-labelledby': 'further' }, [
    element('h2', { id: 'further' }, ['For developers']),
    element('p', {}, [
      'The npm package ',
      element('code', {}, ['seabag']),
      ' has rooms, React hooks and the private database; this server has its first part at ',
      element('code', {}, [`${location.origin}/seabag.js`]),
      '. The documents in the repository: docs/web.md for web pages, docs/rooms.md and docs/host.md for the protocols, docs/operations.md for running a server.',
    ]),
  ]),
);
void begin();

function card({ path, title, text }: (typeof CARDS)[number]): HTMLLIElement {
  return element('li', { class: 'card' }, [
    element('h2', {}, [element('a', { href: path }, [title])]),
    element('p', {}, [text]),
  ]);
}

async function begin(): Promise<void> {
  const about = await askAbout();
  fill(state, [about === undefined ? 'The server is away' : `Version ${about.version}`]);
  const offer = () => fill(place, about === undefined ? [away()] : [offered(about)]);
  offer();
  const id = readFragment('room');
  if (about === undefined || id === undefined) return;
  try {
    showRoom(place, await rooms().room(id), offer);
  } catch (error) {
    announceError('The room in the address', error);
  }

  function offered(known: About): HTMLElement {
    return roomForm(known.needsToken, (room) => showRoom(place, room, offer).focus());
  }
}

function away(): HTMLElement {
  return element('p', { class: 'warning' }, [
    'The server does not answer. This page was kept from an earlier visit; Notes work without the server too.',
  ]);
}

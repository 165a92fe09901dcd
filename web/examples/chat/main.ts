// A chat: the last hundred messages of a log, shown in one order to everybody. No framework.
import { Room, SharedLog } from 'seabag';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';
const messages = document.querySelector('#messages');
const form = document.querySelector('form');
const input = document.querySelector('input');

const room = await Room.open(server);
// The room keeps about so many; older ones are trimmed away.
const log = new SharedLog<string>(room, 'chat', { limit: 100, keep: 100 });

function show() {
  const items = log.current.map(({ seq, value }) => {
    const item = document.createElement('li');
    item.textContent = value;
    // Without a number yet, it is on its way.
    item.style.opacity = seq === null ? '0.5' : '1';
    return item;
  });
  messages?.replaceChildren(...items);
}

log.subscribe(show);
show();

form?.addEventListener('submit', (event) => {
  event.preventDefault();
  if (!input?.value) return;
  log.append(input.value);
  input.value = '';
});

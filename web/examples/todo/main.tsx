// A private list on your own devices. It works offline; a server that syncs it sees only sealed bags.
import { createRoot } from 'react-dom/client';
import { Seed } from 'seabag/entdb';
import { EntDBProvider, useEntDB, useEnts, useSyncStatus } from 'seabag/react';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';
// The seed is the key to everything: on another device, give the same 24 words.
const words = localStorage.getItem('words') ?? (await Seed.generate().words());
localStorage.setItem('words', words);
const seed = await Seed.parse(words);

type Todo = { text: string; done: boolean };

function Todos() {
  const db = useEntDB();
  const todos = useEnts<Todo>({ type: 'todo' }) ?? [];
  const { state, waiting } = useSyncStatus();
  const add = (data: FormData) =>
    void db.insert({ type: 'todo', body: { text: data.get('text'), done: false } });
  return (
    <main>
      <form action={add}>
        <input name="text" aria-label="What to do" required /> <button type="submit">Add</button>
      </form>
      {todos.map(({ eid, body }) => (
        <p key={eid}>
          <input
            type="checkbox"
            aria-label={body.text}
            checked={body.done}
            onChange={() => void db.update(eid, { body: { ...body, done: !body.done } })}
          />{' '}
          {body.text}{' '}
          <button type="button" onClick={() => void db.delete(eid)}>
            Delete
          </button>
        </p>
      ))}
      <button type="button" onClick={() => void db.link(server)}>
        Sync with {server}
      </button>
      <p role="status">{`${state}, ${waiting} waiting`}</p>
    </main>
  );
}

const root = document.getElementById('root');
if (root === null) throw new Error('no root');
createRoot(root).render(
  <EntDBProvider open={{ name: 'todo', seed }} fallback="Opening…">
    <Todos />
  </EntDBProvider>,
);

// A private list on your own devices. It works offline; a server that syncs it sees only sealed bags.
import { createRoot } from 'react-dom/client';
import { Seed } from 'seabag/entdb';
import { EntDBProvider, useEntDB, useEnts, useSyncStatus } from 'seabag/react';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';
// The seed is the key to everything: on another device, give the same 24 words.
const words = localStorage.getItem('words') ?? (await Seed.generate().words());
localStorage.setItem('words', words);
const seed = await Seed.parse(words);

type Todo = { text: string; done?: boolean };

function Todos() {
  const db = useEntDB();
  const todos = useEnts<Todo>({ type: 'todo' }) ?? [];
  const { state, waiting } = useSyncStatus();
  const add = (form: FormData) => void db.insert({ type: 'todo', body: { text: form.get('text') } });
  return (
    <main>
      <form action={add}>
        <input name="text" aria-label="What to do" required /> <button type="submit">Add</button>
      </form>
      {todos.map(({ eid, body }) => (
        <p key={eid}>
          <label>
            <input
              type="checkbox"
              checked={body.done ?? false}
              onChange={() => void db.update(eid, { body: { ...body, done: !body.done } })}
            />{' '}
            {body.text}
          </label>{' '}
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

createRoot(document.body.appendChild(document.createElement('div'))).render(
  <EntDBProvider open={{ name: 'todo', seed }} fallback="Opening…">
    <Todos />
  </EntDBProvider>,
);

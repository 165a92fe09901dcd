// Everybody's pointer and name. Nothing of it is stored: who leaves is gone at once, and so is who loses the connection.
import { useState } from 'react';
import { createRoot } from 'react-dom/client';
import { RoomProvider, usePresence } from 'seabag/react';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';

function Pointers() {
  const [name, setName] = useState('somebody');
  const [at, setAt] = useState({ x: 0, y: 0 });
  // What we show to the others; what we get is what they show.
  const others = usePresence('pointers', { name, at });
  return (
    <main
      style={{ minHeight: '80vh' }}
      onPointerMove={(event) => setAt({ x: event.clientX, y: event.clientY })}
    >
      <label>
        Your name <input value={name} onChange={(event) => setName(event.target.value)} />
      </label>
      <p>Others here: {Object.keys(others).length}</p>
      {Object.entries(others).map(([client, { value }]) => (
        <span
          key={client}
          style={{ position: 'fixed', left: value.at.x, top: value.at.y, pointerEvents: 'none' }}
        >
          ➤ {value.name}
        </span>
      ))}
    </main>
  );
}

createRoot(document.body.appendChild(document.createElement('div'))).render(
  <RoomProvider api={server}>
    <Pointers />
  </RoomProvider>,
);

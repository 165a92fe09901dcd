// A counter that everybody shares. Open the page's address a second time, or scan the code with a phone.
import { createRoot } from 'react-dom/client';
import { RoomProvider, RoomQRCode, StatusIndicator, useSharedReducer } from 'seabag/react';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';

function Counter() {
  // Steps are added in the room's order, so no click is lost, also when two people click at once.
  const [count, add] = useSharedReducer('counter', (sum: number, step: number) => sum + step, 0);
  return (
    <p>
      <button type="button" onClick={() => add(-1)}>
        −
      </button>
      <output> {count} </output>
      <button type="button" onClick={() => add(1)}>
        +
      </button>
    </p>
  );
}

createRoot(document.body.appendChild(document.createElement('div'))).render(
  <RoomProvider api={server}>
    <Counter />
    <StatusIndicator />
    <p>
      <RoomQRCode />
    </p>
  </RoomProvider>,
);

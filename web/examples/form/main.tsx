// One form that several people fill in together: each field is a shared value, and the last write of each wins.
import { createRoot } from 'react-dom/client';
import { RoomProvider, useConnectionStatus, useSharedState } from 'seabag/react';

const server = import.meta.env.VITE_SEABAG ?? 'http://127.0.0.1:8080';

function Field({ name }: { name: string }) {
  const [text, setText] = useSharedState(`form/${name}`, '');
  return (
    <p>
      <label>
        {name} <input value={text} onChange={(event) => setText(event.target.value)} />
      </label>
    </p>
  );
}

function Form() {
  const [agreed, setAgreed] = useSharedState('form/agreed', false);
  const { connected } = useConnectionStatus();
  return (
    <form onSubmit={(event) => event.preventDefault()}>
      <Field name="Name" />
      <Field name="Street" />
      <Field name="City" />
      <label>
        <input type="checkbox" checked={agreed} onChange={(event) => setAgreed(event.target.checked)} />{' '}
        Agreed
      </label>
      {/* What is typed while cut off is kept, and sent when the connection is back. */}
      <p role="status">{connected ? 'Shared with everybody here' : 'Not connected: kept in this page'}</p>
    </form>
  );
}

createRoot(document.body.appendChild(document.createElement('div'))).render(
  <RoomProvider api={server}>
    <Form />
  </RoomProvider>,
);

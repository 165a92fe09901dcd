// A small badge that tells how the connection is, with a link to the inspector. Words, not only colour.

import type { CSSProperties, ReactElement } from 'react';
import { useConnectionStatus, useLatency } from './connection.ts';
import type { RoomConnectionStatus } from './session.ts';

const BADGE: CSSProperties = {
  display: 'inline-flex',
  alignItems: 'center',
  gap: '0.5em',
  padding: '0.25em 0.75em',
  border: '1px solid currentColor',
  borderRadius: '1em',
  font: '0.875rem system-ui, sans-serif',
};
const DOT: CSSProperties = { width: '0.6em', height: '0.6em', borderRadius: '50%' };

/** Tells whether there is a connection, how fast it is, or why there is none. */
export function StatusIndicator(): ReactElement {
  const status = useConnectionStatus();
  const latency = useLatency();
  return (
    <div style={BADGE}>
      <span aria-hidden="true" style={{ ...DOT, background: status.connected ? '#1a7f37' : '#cf222e' }} />
      <span role="status">{wordsOf(status)}</span>
      {latency !== null && <span title="Round trip to the server">{Math.round(latency)} ms</span>}
      {status.connected && status.debugUrl !== '' && (
        <a
          href={status.debugUrl}
          target="_blank"
          rel="noreferrer"
          aria-label="Inspect this room in a new tab"
          style={{ color: 'inherit' }}
        >
          Inspect
        </a>
      )}
    </div>
  );
}

function wordsOf(status: RoomConnectionStatus): string {
  if (status.connected) return 'Connected';
  if (status.error === undefined) return 'Connecting…';
  const next = status.retrying ? ', trying again' : '';
  return `Not connected: ${status.error.message}${next}`;
}

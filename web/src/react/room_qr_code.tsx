// A QR code that leads a phone to this room. Drawn here: the address holds the room's id, which no other service may see.

import type { ReactElement } from 'react';
import { useMemo, useSyncExternalStore } from 'react';
import { encode } from 'uqr';
import { currentRoom, followAddress } from '../client/room/address.ts';

const QUIET_MODULES = 4;
const DEFAULT_PIXELS = 180;
/** What the largest code (version 40, lowest correction) holds. */
const TEXT_BYTES_MAX = 2953;

export interface RoomQRCodeProps {
  /** Width and height in pixels. Default 180. */
  size?: number;
  /** What a screen reader says of it. */
  label?: string;
}

/** A QR code of the page's address with the room in it. Draws nothing while the address names no room. */
export function RoomQRCode({
  size = DEFAULT_PIXELS,
  label = 'QR code: join this room',
}: RoomQRCodeProps = {}): ReactElement | null {
  const address = useSyncExternalStore(followAddress, addressWithRoom, noAddress);
  const code = useMemo(() => (address === null ? null : drawing(address)), [address]);
  if (code === null) return null;
  return (
    <svg role="img" aria-label={label} width={size} height={size} viewBox={`0 0 ${code.side} ${code.side}`}>
      <title>{label}</title>
      <rect width={code.side} height={code.side} fill="#fff" />
      <path d={code.path} fill="#000" shapeRendering="crispEdges" />
    </svg>
  );
}

function addressWithRoom(): string | null {
  return currentRoom() === null ? null : window.location.href;
}

function noAddress(): null {
  return null;
}

/** Null for an address that no QR code can hold. */
function drawing(text: string): { side: number; path: string } | null {
  if (new TextEncoder().encode(text).length > TEXT_BYTES_MAX) return null;
  const { data, size } = encode(text, { border: QUIET_MODULES });
  const path = data
    .map((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')).join(''))
    .join('');
  return { side: size, path };
}

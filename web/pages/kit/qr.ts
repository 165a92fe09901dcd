// A QR code drawn in the page: no other server hears of the address or secret that it holds.

import { encode } from 'uqr';
import { drawing } from './element.ts';

/** Modules of empty border, as the standard asks for. */
const BORDER = 4;

/** Draws a text as a square that scales. `label` tells who cannot see it what it is for. */
export function qrCode(text: string, label: string): SVGSVGElement {
  const { data, size } = encode(text, { ecc: 'M', border: BORDER });
  const rows = data.flatMap((row, y) => row.map((dark, x) => (dark ? `M${x} ${y}h1v1h-1z` : '')));
  const side = String(size);
  return drawing('svg', { viewBox: `0 0 ${side} ${side}`, role: 'img', 'aria-label': label, class: 'qr' }, [
    drawing('rect', { width: side, height: side, fill: '#ffffff' }),
    drawing('path', { d: rows.join(''), fill: '#000000', 'shape-rendering': 'crispEdges' }),
  ]);
}

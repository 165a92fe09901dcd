// How the connection to the room is doing, as a list of facts, and the last minute's rate as a plot with its words.

import type { RoomStatus } from '../../src/client/room/types.ts';
import { element } from '../kit/element.ts';
import { rateText } from './rate.ts';

const PLOT_WIDTH = 300;
const PLOT_HEIGHT = 60;
const FACTS = [
  'Connection',
  'Head number',
  'Epoch',
  'Answer takes',
  'May',
  'Resets',
  'Reconnections',
] as const;
type Fact = (typeof FACTS)[number];

const STATES: Readonly<Record<RoomStatus['state'], string>> = {
  connecting: 'connecting',
  'catching-up': 'catching up',
  live: 'live',
  waiting: 'away, trying again',
  closed: 'ended',
};

export class StatusSection {
  readonly element: HTMLElement;
  readonly #facts = new Map<Fact, HTMLElement>();
  readonly #plot = element('canvas', {
    width: PLOT_WIDTH,
    height: PLOT_HEIGHT,
    'aria-hidden': 'true',
    class: 'plot',
  });
  readonly #rate = element('figcaption', { class: 'muted' });

  constructor() {
    const rows = FACTS.flatMap((name) => {
      const place = element('span', name === 'Connection' ? { role: 'status' } : {}, ['…']);
      this.#facts.set(name, place);
      return [element('div', {}, [element('dt', {}, [name]), element('dd', {}, [place])])];
    });
    this.element = element('section', { class: 'card', 'aria-labelledby': 'state' }, [
      element('h2', { id: 'state' }, ['State']),
      element('dl', { class: 'facts' }, rows),
      element('figure', {}, [this.#plot, this.#rate]),
    ]);
  }

  show(status: RoomStatus, resets: number, reconnections: number): void {
    const why = status.reason === undefined || status.state === 'live' ? '' : ` (${status.reason.message})`;
    this.#set('Connection', `${STATES[status.state]}${why}`);
    this.#set('Head number', status.seq.toLocaleString('en'));
    this.#set('Epoch', status.epoch ?? 'not known yet');
    this.#set(
      'May',
      status.roomClosed ? 'read; the room is closed' : status.readOnly ? 'read' : 'read and write',
    );
    this.#set('Resets', String(resets));
    this.#set('Reconnections', String(reconnections));
  }

  showLag(latencyMs: number | null): void {
    this.#set('Answer takes', latencyMs === null ? 'not known' : `${latencyMs.toFixed(1)} ms`);
  }

  /** Counts of the last sixty seconds. */
  showRate(series: readonly number[]): void {
    const text = `Messages: ${rateText(series)}.`;
    if (this.#rate.textContent !== text) this.#rate.textContent = text;
    const context = this.#plot.getContext('2d');
    if (context === null) return;
    const most = Math.max(1, ...series);
    const step = PLOT_WIDTH / series.length;
    context.clearRect(0, 0, PLOT_WIDTH, PLOT_HEIGHT);
    context.fillStyle = getComputedStyle(this.#plot).color;
    for (const [index, count] of series.entries()) {
      const height = (count / most) * (PLOT_HEIGHT - 1);
      context.fillRect(index * step, PLOT_HEIGHT - height, step - 1, height);
    }
    context.fillRect(0, PLOT_HEIGHT - 1, PLOT_WIDTH, 1);
  }

  #set(fact: Fact, text: string): void {
    const place = this.#facts.get(fact);
    if (place !== undefined && place.textContent !== text) place.textContent = text;
  }
}

// The other people on the board: their names, and their pens as they move. A pen goes smoothly from where it was to
// where it was last heard of; names are text and never markup.

import type { Peer } from '../../src/client/room/presence.ts';
import { drawing, element } from '../kit/element.ts';
import { type Paper, PERSON_COLOURS } from './paint.ts';
import type { Person } from './session.ts';
import { COLOURS, type Colour, STEPS_PER_UNIT } from './stroke.ts';
import { type Size, toWindow, type View } from './view.ts';

/** Names are cut here; nobody's name may cover the board. */
export const NAME_CHARACTERS_MAX = 24;
/** Pens shown at a time. */
const PENS_MAX = 100;
/** In this time a pen has gone two thirds of its way. */
const SMOOTHING_MS = 40;
/** Nearer than this it is there. */
const NEAR_PIXELS = 0.3;
const NAME_STORE = 'seabag-name';

const FIRST =
  'Brave Bright Calm Clever Curious Daring Eager Gentle Happy Keen Kind Lively Merry Nimble Patient Quick Quiet Sunny Swift Wise';
const SECOND =
  'Auk Crab Dolphin Eel Gannet Gull Heron Lobster Manatee Narwhal Octopus Osprey Otter Pelican Puffin Ray Seal Tern Turtle Whale';

/** The name used last in this browser, or a friendly new one; always with a colour of its own. */
export function ownPerson(random: () => number = Math.random): Person {
  const pick = <T>(list: readonly T[]): T | undefined => list[Math.floor(random() * list.length)];
  const name = storedName() ?? `${pick(FIRST.split(' '))} ${pick(SECOND.split(' '))}`;
  return { name, colour: pick(PERSON_COLOURS) ?? 'blue' };
}

/** Keeps the name for the next time; where there is no storage it lasts as long as the page. */
export function keepName(name: string): void {
  try {
    localStorage.setItem(NAME_STORE, name);
  } catch {
    // A browser that keeps nothing for pages.
  }
}

function storedName(): string | undefined {
  try {
    return cleanName(localStorage.getItem(NAME_STORE) ?? '') || undefined;
  } catch {
    return undefined;
  }
}

/** A name as it is shown: one short line. */
export function cleanName(name: unknown): string {
  const text = typeof name === 'string' ? name : '';
  // The cut by characters, not by halves of them.
  return [...text.replace(/[\p{C}\s]+/gu, ' ').trim()].slice(0, NAME_CHARACTERS_MAX).join('');
}

export function personName(person: unknown): string {
  const name =
    typeof person === 'object' && person !== null && 'name' in person ? cleanName(person.name) : '';
  return name || 'Somebody';
}

export function personColour(person: unknown): Colour {
  const colour = typeof person === 'object' && person !== null && 'colour' in person ? person.colour : '';
  return COLOURS.find((known) => known === colour) ?? 'ink';
}

interface OtherPen {
  readonly element: HTMLElement;
  readonly label: HTMLElement;
  /** In steps, as heard. */
  target: readonly [number, number];
  /** In steps, as shown. */
  x: number;
  y: number;
  shown: string;
}

/** The others' pens, as elements above the canvas. */
export class Pens {
  readonly #layer: HTMLElement;
  readonly #pens = new Map<string, OtherPen>();
  #people: ReadonlyMap<string, Peer<Person>> = new Map();
  #paper: Paper;
  #lastMs = 0;

  constructor(layer: HTMLElement, paper: Paper) {
    this.#layer = layer;
    this.#paper = paper;
  }

  setPaper(paper: Paper): void {
    this.#paper = paper;
    for (const [by, pen] of this.#pens) this.#dress(by, pen);
  }

  setPeople(people: ReadonlyMap<string, Peer<Person>>): void {
    for (const by of this.#people.keys()) if (!people.has(by)) this.#remove(by);
    this.#people = people;
    for (const [by, pen] of this.#pens) this.#dress(by, pen);
  }

  /** Somebody's pen was heard of. Null: it is off the board. */
  move(by: string, at: readonly [number, number] | null): void {
    if (at === null) {
      this.#remove(by);
      return;
    }
    const known = this.#pens.get(by);
    if (known === undefined && this.#pens.size >= PENS_MAX && this.#people.has(by)) this.#removeStranger();
    if (known !== undefined) {
      known.target = at;
    } else if (this.#pens.size < PENS_MAX) {
      const label = element('span');
      const shape = drawing('svg', { viewBox: '0 0 16 16', width: 16, height: 16 }, [
        drawing('path', { d: 'M1 1l5 13 2.2-5.8L14 6z', fill: 'currentColor' }),
      ]);
      const made = element('div', { class: 'pen', 'aria-hidden': 'true' }, [shape, label]);
      const pen = { element: made, label, target: at, x: at[0], y: at[1], shown: '' };
      this.#pens.set(by, pen);
      this.#dress(by, pen);
      this.#layer.append(made);
    }
  }

  /** Moves what has to move. True while something is still on its way. */
  frame(nowMs: number, view: View, size: Size): boolean {
    const share = 1 - Math.exp(-Math.min(100, nowMs - this.#lastMs) / SMOOTHING_MS);
    this.#lastMs = nowMs;
    let moving = false;
    for (const pen of this.#pens.values()) {
      const x = pen.target[0] - pen.x;
      const y = pen.target[1] - pen.y;
      const near = (Math.hypot(x, y) / STEPS_PER_UNIT) * view.zoom < NEAR_PIXELS;
      moving ||= !near;
      pen.x += near ? x : x * share;
      pen.y += near ? y : y * share;
      const place = toWindow(view, size, { x: pen.x / STEPS_PER_UNIT, y: pen.y / STEPS_PER_UNIT });
      const shown = `translate(${place.x.toFixed(1)}px, ${place.y.toFixed(1)}px)`;
      if (shown !== pen.shown) pen.element.style.transform = shown;
      pen.shown = shown;
    }
    return moving;
  }

  #dress(by: string, pen: OtherPen): void {
    const person = this.#people.get(by)?.value;
    const name = personName(person);
    if (pen.label.textContent !== name) pen.label.textContent = name;
    pen.element.style.color = this.#paper.inks[personColour(person)];
  }

  /** Whoever is not known to be here gives way: a pen that was heard of after its hand had left stays for nobody. */
  #removeStranger(): void {
    const stranger = [...this.#pens.keys()].find((by) => !this.#people.has(by));
    if (stranger !== undefined) this.#remove(stranger);
  }

  #remove(by: string): void {
    this.#pens.get(by)?.element.remove();
    this.#pens.delete(by);
  }
}

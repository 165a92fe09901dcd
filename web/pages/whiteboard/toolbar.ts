// The board's tools as a row of labelled buttons, each reachable by Tab and by a letter of its own.

import { button, drawing, element } from '../kit/element.ts';
import { COLOUR_NAMES, type Paper } from './paint.ts';
import { COLOURS, type Ink, type Style } from './stroke.ts';

/** The widths to choose from, in board units, and the eraser's factor: it is held like a hand, not like a pen. */
const WIDTHS: readonly { readonly width: number; readonly name: string }[] = [
  { width: 2, name: 'Fine line' },
  { width: 4, name: 'Medium line' },
  { width: 9, name: 'Broad line' },
  { width: 20, name: 'Marker' },
];
const ERASER_FACTOR = 4;

/** What the buttons do besides choosing the pen. */
export interface ToolActions {
  undo(): void;
  clear(): void;
  showAll(): void;
  zoomIn(): void;
  zoomOut(): void;
}

type Icon = readonly string[];
const ICONS = {
  eraser: ['M3 15l8-9 6 6-5 5H6z', 'M7.5 10l6 6'],
  undo: ['M7 4L3 8l4 4', 'M3 8h8a5 5 0 0 1 0 10H8'],
  clear: ['M4 6h12', 'M8 6V4h4v2', 'M5.5 6l1 11h7l1-11'],
  showAll: ['M3 7V3h4', 'M13 3h4v4', 'M17 13v4h-4', 'M7 17H3v-4'],
  zoomIn: ['M10 4v12', 'M4 10h12'],
  zoomOut: ['M4 10h12'],
} satisfies Record<string, Icon>;

/** The toolbar, and what is chosen in it. */
export class Toolbar {
  readonly element: HTMLElement;
  readonly #colours = new Map<Ink, HTMLButtonElement>();
  readonly #widths: HTMLButtonElement[];
  readonly #undo: HTMLButtonElement;
  readonly #changing: HTMLButtonElement[];
  #ink: Ink = 'ink';
  #width = 1;

  constructor(actions: ToolActions, colours: Paper) {
    for (const [index, colour] of COLOURS.entries()) {
      const swatch = element('span', { class: 'swatch' });
      const key = String(index + 1);
      const made = tool(swatch, COLOUR_NAMES[colour], key, () => this.chooseInk(colour));
      this.#colours.set(colour, made);
    }
    this.#colours.set(
      'eraser',
      tool(icon(ICONS.eraser), 'Eraser', 'E', () => this.chooseInk('eraser')),
    );
    this.#widths = WIDTHS.map(({ width, name }, index) => {
      const dot = drawing('svg', { viewBox: '0 0 20 20', width: 20, height: 20 }, [
        drawing('circle', { cx: 10, cy: 10, r: Math.min(9, 1 + width / 2.4), fill: 'currentColor' }),
      ]);
      return tool(dot, name, index === 0 ? '[' : index === WIDTHS.length - 1 ? ']' : '', () =>
        this.chooseWidth(index),
      );
    });
    this.#undo = tool(icon(ICONS.undo), 'Undo my last stroke', 'Z', actions.undo);
    const clear = tool(icon(ICONS.clear), 'Clear the board', '', actions.clear);
    this.#changing = [...this.#colours.values(), ...this.#widths, clear];
    const groups = [
      group(
        'Colour',
        COLOURS.map((colour) => this.#colours.get(colour)),
      ),
      group('Eraser and width', [this.#colours.get('eraser'), ...this.#widths]),
      group('Changes', [this.#undo, clear]),
      group('View', [
        tool(icon(ICONS.zoomOut), 'Zoom out', '-', actions.zoomOut, 'zoom'),
        tool(icon(ICONS.zoomIn), 'Zoom in', '+', actions.zoomIn, 'zoom'),
        tool(icon(ICONS.showAll), 'Show everything', '0', actions.showAll),
      ]),
    ];
    this.element = element('div', { class: 'tools', role: 'toolbar', 'aria-label': 'Drawing' }, groups);
    this.setPaper(colours);
    this.chooseInk('ink');
    this.chooseWidth(1);
    this.setState({ readOnly: false, canUndo: false });
  }

  /** What the next stroke looks like. */
  get style(): Style {
    const width = WIDTHS[this.#width]?.width ?? 4;
    return { ink: this.#ink, width: this.#ink === 'eraser' ? width * ERASER_FACTOR : width };
  }

  chooseInk(ink: Ink): void {
    this.#ink = ink;
    for (const [name, made] of this.#colours) made.setAttribute('aria-pressed', String(name === ink));
  }

  chooseColourNumber(number: number): void {
    const colour = COLOURS[number - 1];
    if (colour !== undefined) this.chooseInk(colour);
  }

  chooseWidth(index: number): void {
    this.#width = Math.max(0, Math.min(WIDTHS.length - 1, index));
    for (const [place, made] of this.#widths.entries()) {
      made.setAttribute('aria-pressed', String(place === this.#width));
    }
  }

  widenBy(steps: number): void {
    this.chooseWidth(this.#width + steps);
  }

  setPaper(colours: Paper): void {
    for (const colour of COLOURS)
      this.#colours.get(colour)?.style.setProperty('--swatch', colours.inks[colour]);
  }

  setState({ readOnly, canUndo }: { readonly readOnly: boolean; readonly canUndo: boolean }): void {
    for (const made of this.#changing) made.disabled = readOnly;
    this.#undo.disabled = readOnly || !canUndo;
  }
}

function tool(content: Node, name: string, key: string, act: () => void, kind = ''): HTMLButtonElement {
  const title = key === '' ? name : `${name} (${key})`;
  return button(content, act, {
    class: `tool ${kind}`,
    'aria-label': name,
    title,
    'aria-keyshortcuts': key || false,
  });
}

function group(label: string, tools: readonly (HTMLElement | undefined)[]): HTMLElement {
  return element('div', { class: 'group', role: 'group', 'aria-label': label }, tools);
}

function icon(paths: Icon): SVGSVGElement {
  const shapes = paths.map((d) =>
    drawing('path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': 2 }),
  );
  return drawing('svg', { viewBox: '0 0 20 20', width: 20, height: 20, 'aria-hidden': 'true' }, shapes);
}

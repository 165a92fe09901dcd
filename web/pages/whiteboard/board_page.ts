// The page around one board: it ties the session, the picture, the pens and the tools together, and shows how things
// are. Each of them does its own work; nothing is decided here but who hears what.

import './whiteboard.css';
import type { RoomConnection } from '../../src/client/room/connection.ts';
import { announce, announceError } from '../kit/announce.ts';
import { confirmDialog } from '../kit/dialog.ts';
import { button, element } from '../kit/element.ts';
import type { Page } from '../kit/page.ts';
import { Picture } from './canvas.ts';
import { openJoin } from './join.ts';
import { listenToKeys } from './keyboard.ts';
import { paper } from './paint.ts';
import { middleOf, Pen } from './pen.ts';
import { keepName, ownPerson, Pens } from './people.ts';
import { openPeople } from './people_dialog.ts';
import { Probe } from './probe.ts';
import { type BoardEvents, BoardSession, type Person } from './session.ts';
import { statusText } from './status.ts';
import { toSteps } from './stroke.ts';
import { Toolbar } from './toolbar.ts';
import { UnsentStrokes } from './unsent.ts';
import { around, contains, fitted, HOME, type Place, panned, shownBox, toBoard, zoomed } from './view.ts';

const ZOOM_STEP = 1.25;
/** A connected page says that strokes wait only when they have waited for so long. */
const WAITING_SHOWN_MS = 1_500;

/** Builds the board into a page and opens it. */
export class BoardPage {
  readonly session: BoardSession;
  #person: Person = ownPerson();
  readonly #ends = new AbortController();
  readonly #stored = element('canvas', { class: 'layer', 'aria-hidden': 'true' });
  readonly #live = element('canvas', {
    class: 'layer live',
    tabindex: 0,
    role: 'application',
    'aria-label':
      'Board. Arrow keys move a pen, the space bar puts it down and lifts it, shift and arrows move the board.',
  });
  readonly #cross = element('div', { class: 'cross', hidden: true });
  readonly #hint = element('p', { class: 'empty', hidden: true }, [
    'Nothing here yet. Draw with mouse, pen or finger; two fingers move the board.',
  ]);
  readonly #status = element('span', { class: 'muted', role: 'status', 'aria-live': 'polite' }, [
    'Opening the board…',
  ]);
  readonly #people: HTMLButtonElement;
  readonly #picture: Picture;
  readonly #pens: Pens;
  readonly #toolbar: Toolbar;
  readonly #pen: Pen;
  readonly #probe = new Probe();
  readonly #dark = matchMedia('(prefers-color-scheme: dark)');
  #placed = false;
  /** The keyboard's pen draws. */
  #penDown = false;
  #statusStale = false;
  #waitingSinceMs: number | undefined;

  constructor(page: Page, room: string, connection: RoomConnection) {
    const colours = paper(this.#dark.matches);
    const pens = element('div', { class: 'layer pens', 'aria-hidden': 'true' }, [this.#cross]);
    const board = element('div', { class: 'board' }, [this.#stored, this.#live, pens, this.#hint]);
    this.#pens = new Pens(pens, colours);
    this.#toolbar = new Toolbar(
      {
        undo: () => this.#undo(),
        clear: () => void this.#clear(),
        showAll: () => this.#showAll(),
        zoomIn: () => this.#zoom(middleOf(this.#picture.size), ZOOM_STEP),
        zoomOut: () => this.#zoom(middleOf(this.#picture.size), 1 / ZOOM_STEP),
      },
      colours,
    );
    this.#people = button('1 person', () => void this.#openPeople(), { 'aria-haspopup': 'dialog' });
    const join = button('Invite', () => void openJoin(room, this.session.status.readOnly), {
      class: 'primary',
      'aria-haspopup': 'dialog',
    });
    page.aside.append(this.#status, this.#people, join);
    page.main.classList.add('whiteboard');
    page.main.replaceChildren(
      element('h1', { class: 'hidden-text' }, ['Whiteboard']),
      this.#toolbar.element,
      board,
    );
    this.#picture = new Picture(this.#stored, this.#live, colours, {
      strokes: () => this.session.board.strokes,
      beforeFrame: (now) => {
        if (this.#statusStale) this.#showStatus();
        return this.#pens.frame(now, this.#picture.view, this.#picture.size);
      },
      afterFrame: () => this.#drawn(),
    });
    const unsent = new UnsentStrokes(room);
    this.session = this.#newSession(connection, unsent);
    unsent.adopt(this.session.author, (changes) => this.session.restore(changes), this.#ends.signal);
    this.#pen = new Pen(this.#live, {
      down: (place) => this.#down(place),
      move: (places) => this.#move(places),
      up: () => this.#up(),
      cancel: () => this.session.abandon(),
      hover: (place) => this.session.moveTo(place && this.#steps(place)),
      pan: (x, y) => this.#picture.setView(panned(this.#picture.view, x, y)),
      zoom: (place, factor) => this.#zoom(place, factor),
    });
    this.#listen(board);
  }

  /** Opens the board; rejects when there is none. */
  async open(): Promise<void> {
    await this.session.connect();
  }

  /** Ends everything; the page can show another board. */
  close(): void {
    this.#ends.abort();
    this.#pen.destroy();
    this.session.close();
    this.#picture.destroy();
  }

  #newSession(connection: RoomConnection, unsent: UnsentStrokes): BoardSession {
    const events: BoardEvents = {
      changed: () => this.#picture.wake(),
      stored: (id) => this.#probe.stored(id),
      grew: (id, growing) => {
        this.#probe.grew(id, growing);
        this.#picture.grow(id, growing);
      },
      dropped: (id) => {
        this.#probe.dropped(id);
        this.#picture.drop(id);
      },
      moved: (by, at) => {
        this.#pens.move(by, at);
        this.#picture.wake();
      },
      status: () => this.#statusChanged(),
      people: (people) => {
        this.#pens.setPeople(people);
        this.#picture.wake();
      },
      trouble: (text) => announce(text, 'error'),
    };
    return new BoardSession(connection, this.#person, events, unsent);
  }

  #listen(board: HTMLElement): void {
    const { signal } = this.#ends;
    const resize = () =>
      this.#picture.resize({ width: board.clientWidth, height: board.clientHeight }, devicePixelRatio);
    const observer = new ResizeObserver(resize);
    observer.observe(board);
    signal.addEventListener('abort', () => observer.disconnect());
    this.#followPixelRatio(resize);
    resize();
    this.#dark.addEventListener('change', () => this.#setPaper(), { signal });
    addEventListener('beforeunload', (event) => this.session.status.unkept > 0 && event.preventDefault(), {
      signal,
    });
    listenToKeys(
      this.#live,
      () => middleOf(this.#picture.size),
      {
        colour: (number) => this.#toolbar.chooseColourNumber(number),
        eraser: () => this.#toolbar.chooseInk('eraser'),
        widen: (steps) => this.#toolbar.widenBy(steps),
        undo: () => this.#undo(),
        zoom: (factor) => this.#zoom(middleOf(this.#picture.size), factor),
        showAll: () => this.#showAll(),
        pan: (x, y) => this.#picture.setView(panned(this.#picture.view, x, y)),
        pen: (place, down) => this.#keyboardPen(place, down),
        spaceHeld: (held) => {
          this.#pen.spaceHeld = held;
        },
      },
      signal,
    );
  }

  /** A window that comes to a screen with other pixels keeps its size, and must be drawn anew all the same. */
  #followPixelRatio(resize: () => void): void {
    const { signal } = this.#ends;
    const changed = () => {
      if (signal.aborted) return;
      resize();
      this.#followPixelRatio(resize);
    };
    matchMedia(`(resolution: ${devicePixelRatio}dppx)`).addEventListener('change', changed, {
      once: true,
      signal,
    });
  }

  #steps(place: Place): [number, number] {
    const { x, y } = toBoard(this.#picture.view, this.#picture.size, place);
    return [toSteps(x), toSteps(y)];
  }

  #down(place: Place): boolean {
    if (this.session.status.readOnly || this.session.status.state === 'ended') return false;
    this.session.begin(this.#toolbar.style, ...this.#steps(place));
    return true;
  }

  #move(places: readonly Place[]): void {
    for (const place of places) this.session.extend(...this.#steps(place));
  }

  #up(): void {
    this.session.finish();
    this.#showTools();
  }

  #keyboardPen(place: Place | null, down: boolean): void {
    this.#cross.hidden = place === null;
    this.session.moveTo(place && this.#steps(place));
    if (place !== null) this.#cross.style.transform = `translate(${place.x}px, ${place.y}px)`;
    if (place !== null && down) {
      if (this.#penDown) this.#move([place]);
      else this.#penDown = this.#down(place);
    } else if (this.#penDown) {
      this.#penDown = false;
      this.#up();
    }
  }

  #undo(): void {
    if (!this.session.canUndo) return;
    this.session.undo();
    this.#showTools();
  }

  async #clear(): Promise<void> {
    const text = 'Everything is taken away, for everybody, and cannot be brought back.';
    if (!(await confirmDialog('Clear the board?', text, 'Clear the board'))) return;
    try {
      await this.session.clear();
      this.#showTools();
    } catch (error) {
      announceError('The board was not cleared', error);
    }
  }

  #zoom(place: Place, factor: number): void {
    this.#picture.setView(zoomed(this.#picture.view, this.#picture.size, place, factor));
  }

  #showAll(): void {
    const box = around(Array.from(this.session.board.strokes, (placed) => placed.box));
    this.#picture.setView(box === undefined ? HOME : fitted(box, this.#picture.size));
  }

  /** A board that does not fit is shown whole at first, so that nobody opens an empty corner of it. */
  #placeFirst(): void {
    this.#placed = true;
    const box = around(Array.from(this.session.board.strokes, (placed) => placed.box));
    const shown = shownBox(this.#picture.view, this.#picture.size);
    if (box !== undefined && !contains(shown, box)) this.#showAll();
  }

  async #openPeople(): Promise<void> {
    const name = await openPeople(this.#person, [...this.session.people.values()]);
    if (name === undefined) return;
    this.#person = { ...this.#person, name };
    keepName(name);
    this.session.rename(this.#person);
  }

  #setPaper(): void {
    const colours = paper(this.#dark.matches);
    this.#toolbar.setPaper(colours);
    this.#pens.setPaper(colours);
    this.#picture.setPaper(colours);
  }

  #showTools(): void {
    this.#toolbar.setState({ readOnly: this.session.status.readOnly, canUndo: this.session.canUndo });
  }

  /** It changes with every message, and is shown with the next frame. */
  #statusChanged(): void {
    this.#statusStale = true;
    this.#picture.wake();
  }

  #showStatus(): void {
    this.#statusStale = false;
    const { status } = this.session;
    if (status.state === 'live' && !this.#placed) this.#placeFirst();
    const now = performance.now();
    this.#waitingSinceMs = status.waiting === 0 ? undefined : (this.#waitingSinceMs ?? now);
    const waited = this.#waitingSinceMs !== undefined && now - this.#waitingSinceMs > WAITING_SHOWN_MS;
    if (this.#waitingSinceMs !== undefined && !waited) {
      setTimeout(() => !this.#ends.signal.aborted && this.#statusChanged(), WAITING_SHOWN_MS);
    }
    const text = statusText(status, waited);
    // Only what is new is set, since a screen reader speaks it.
    if (this.#status.textContent !== text) this.#status.textContent = text;
    const people = status.people === 1 ? '1 person' : `${status.people} people`;
    if (this.#people.textContent !== people) this.#people.textContent = people;
    this.#showTools();
  }

  #drawn(): void {
    const { status, board } = this.session;
    this.#hint.hidden =
      status.state !== 'live' || status.readOnly || board.strokes.length > 0 || this.#picture.busy;
    this.#probe.frame(status, board.strokes.length, this.#picture);
  }
}

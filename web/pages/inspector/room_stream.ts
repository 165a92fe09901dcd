// The room's stream as it comes: a bounded list in order, with pause and filter, and the chosen message unfolded.

import { copyButton } from '../kit/copy.ts';
import { button, element, fill, labelled } from '../kit/element.ts';
import { plural } from '../kit/plural.ts';
import { RowList } from './row_list.ts';
import { LOG_MESSAGES_MAX, type LogRow, StreamLog } from './stream_log.ts';
import { copyText, preview, shortened } from './value_text.ts';
import { valueView } from './value_view.ts';

/** The list is drawn anew at most so often, however fast messages come. */
const REDRAW_MS = 100;
const PREVIEW_CHARACTERS = 160;
const KEY_CHARACTERS = 40;

/** The section; whoever made it feeds `log` and calls `changed`. */
export class StreamSection {
  readonly element: HTMLElement;
  readonly log = new StreamLog();
  readonly #list: RowList<LogRow>;
  readonly #filter = element('input', { type: 'search', spellcheck: 'false', autocomplete: 'off' });
  readonly #pause = button('Pause', () => this.#togglePause(), { 'aria-pressed': 'false' });
  readonly #told = element('p', { class: 'muted' });
  readonly #detail = element('div', { class: 'detail' }, [
    element('p', { class: 'muted' }, ['Choose a message to see all of it.']),
  ]);
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#list = new RowList<LogRow>('Messages, oldest first', {
      draw: columns,
      choose: (row) => this.#show(row),
    });
    this.#filter.addEventListener('input', () => this.filter(this.#filter.value));
    this.element = element('section', { class: 'card stream', 'aria-labelledby': 'stream' }, [
      element('h2', { id: 'stream' }, ['Stream']),
      element('div', { class: 'row' }, [
        labelled('Only this key', this.#filter),
        this.#pause,
        button('Empty the list', () => {
          this.log.clear();
          this.changed();
        }),
      ]),
      this.#told,
      element('div', { class: 'two' }, [this.#list.element, this.#detail]),
    ]);
    this.#draw();
  }

  /** Shows one key only; an empty text: all. */
  filter(key: string): void {
    if (this.#filter.value !== key) this.#filter.value = key;
    this.log.setFilter(key === '' ? undefined : key);
    this.changed();
  }

  /** The log has changed. */
  changed(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#draw();
    }, REDRAW_MS);
  }

  destroy(): void {
    clearTimeout(this.#timer);
  }

  #draw(): void {
    const rows = this.log.shown;
    this.#list.set(rows);
    const missed = this.log.missedWhilePaused;
    const text = this.log.paused
      ? `Paused. ${plural(missed, 'message')} came since.`
      : `${plural(rows.filter(({ type }) => type === 'message').length, 'message')} shown, the newest ${LOG_MESSAGES_MAX.toLocaleString('en')} are kept.`;
    if (this.#told.textContent !== text) this.#told.textContent = text;
  }

  #togglePause(): void {
    this.log.pause(!this.log.paused);
    this.#pause.setAttribute('aria-pressed', String(this.log.paused));
    this.#draw();
  }

  #show(row: LogRow): void {
    if (row.type === 'note') {
      fill(this.#detail, [element('p', {}, [row.text])]);
      return;
    }
    fill(this.#detail, [
      element('h3', {}, [`Number ${row.seq}`]),
      element('p', {}, ['Key ', element('code', {}, [shortened(row.key, 1_000)])]),
      row.forgotten
        ? element('p', {}, ['Its value is not kept any more, to make room for newer ones.'])
        : valueView(row.value),
      row.forgotten ? false : copyButton('Copy the value', () => copyText(row.value)),
    ]);
  }
}

function columns(row: LogRow): readonly (Node | string)[] {
  if (row.type === 'note') return ['', '', element('strong', {}, [row.text])];
  const key = shortened(row.key, KEY_CHARACTERS) || '(empty)';
  const text = row.forgotten
    ? `${plural(row.bytes, 'byte')}, not kept`
    : preview(row.value, PREVIEW_CHARACTERS);
  return [String(row.seq), row.own ? `${key} · mine` : key, text];
}

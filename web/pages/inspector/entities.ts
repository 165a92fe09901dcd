// The inspector's half for sealed entities: an account at this host, bag by bag, opened in the page with a seed that
// stays in it. The seed is in this page's memory only, until it is closed or forgotten.

import { Seed } from '../../src/crypto/seed.ts';
import { announceError } from '../kit/announce.ts';
import { button, element, fill, labelled } from '../kit/element.ts';
import { insecureNote } from '../kit/insecure.ts';
import { Account, type AccountPage, type OpenedBag } from './account.ts';
import { valueView } from './value_view.ts';

/** Bags that stay in the page; older ones give way to those that are asked for or arrive. */
const SHOWN_MAX = 500;

/** Fills the tab. */
export function entitiesPanel(): HTMLElement {
  const place = element('div', {});
  const secret = element('textarea', {
    rows: 3,
    required: true,
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    class: 'code',
  });
  const label = element('input', { type: 'text', value: 'main', required: true, autocomplete: 'off' });
  const index = element('input', { type: 'number', value: 0, min: 0, step: 1, required: true });
  const complaint = element('p', { class: 'error', role: 'alert' });
  const form = element('form', { class: 'card' }, [
    element('p', {}, [
      'The host sees an account’s key, and of each bag its number, its sizes and when it came. What is in it can be opened here, with the seed, which never leaves this page.',
    ]),
    insecureNote(),
    labelled('Seed', secret, '24 words or 64 digits. It is kept nowhere.'),
    element('div', { class: 'places' }, [labelled('Label', label), labelled('Index', index)]),
    complaint,
    element('button', { type: 'submit', class: 'primary' }, ['Open']),
  ]);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    fill(complaint, []);
    try {
      const seed = await Seed.parse(secret.value);
      const account = await Account.open(seed, label.value, Number(index.value), location.origin);
      secret.value = '';
      await new AccountView(place, account, (open) => {
        form.hidden = open;
      }).begin();
    } catch (error) {
      fill(complaint, [error instanceof Error ? error.message : 'It cannot be opened.']);
    }
  });
  return element('div', { class: 'entities' }, [form, place]);
}

class AccountView {
  readonly #place: HTMLElement;
  readonly #account: Account;
  readonly #opened: (open: boolean) => void;
  readonly #facts = element('dl', { class: 'facts' });
  readonly #rows = element('tbody', {});
  readonly #more = element('div', { class: 'row' });
  readonly #state = element('p', { class: 'hint', role: 'status' });
  #unfollow: (() => void) | undefined;
  #through = 0;
  #gone = false;

  /** `opened` hears when the account is shown, and when it is not any more. */
  constructor(place: HTMLElement, account: Account, opened: (open: boolean) => void) {
    this.#place = place;
    this.#account = account;
    this.#opened = opened;
  }

  async begin(): Promise<void> {
    const page = await this.#account.page(0);
    const table = element('table', { class: 'bags' }, [
      element('caption', { class: 'hidden-text' }, ['Bags of the account, as they came']),
      element('thead', {}, [
        element(
          'tr',
          {},
          ['Number', 'Sealed bytes', 'Written', 'Entity', 'Type', 'Content'].map((name) =>
            element('th', { scope: 'col' }, [name]),
          ),
        ),
      ]),
      this.#rows,
    ]);
    fill(this.#place, [
      element('div', { class: 'row' }, [button('Forget the seed', () => this.#leave()), this.#state]),
      this.#facts,
      element('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Bags' }, [table]),
      this.#more,
    ]);
    if (page === null)
      this.#say('This host knows no such account: nothing was ever pushed with this seed and label.');
    else this.#take(page);
    this.#opened(true);
    await this.#follow().catch(() =>
      this.#say('What comes now is not shown: there is no connection for it.'),
    );
  }

  async #follow(): Promise<void> {
    const unfollow = await this.#account.follow(
      (bags) => {
        if (this.#gone) return;
        this.#say(`Number ${bags.at(-1)?.seq ?? '?'} has just come.`);
        this.#append(bags);
      },
      () => {
        if (!this.#gone) this.#say('The connection is gone: what comes now is not shown.');
      },
    );
    if (this.#gone) unfollow();
    else this.#unfollow = unfollow;
  }

  #take(page: AccountPage): void {
    this.#through = Math.max(this.#through, page.through);
    fill(this.#facts, [
      ...fact('Account', this.#account.publicKey),
      ...fact('Epoch', page.epoch),
      ...fact('Last number', String(page.last)),
    ]);
    this.#append(page.bags);
    const left = this.#through < page.last;
    fill(this.#more, [left && button('More', () => void this.#readOn())]);
    if (page.last === 0) this.#say('The account is empty.');
  }

  async #readOn(): Promise<void> {
    try {
      const page = await this.#account.page(this.#through);
      if (page !== null && !this.#gone) this.#take(page);
    } catch (error) {
      announceError('Not read', error);
    }
  }

  #append(bags: readonly OpenedBag[]): void {
    for (const bag of bags) {
      const known = this.#rows.querySelector(`[data-seq="${bag.seq}"]`);
      if (known !== null) known.replaceWith(row(bag));
      else this.#rows.append(row(bag));
      // Those that came by a notice are among those behind `through`: read again, they replace themselves.
    }
    while (this.#rows.childElementCount > SHOWN_MAX) this.#rows.firstElementChild?.remove();
  }

  #leave(): void {
    this.#gone = true;
    this.#unfollow?.();
    this.#account.close();
    fill(this.#place, []);
    this.#opened(false);
  }

  #say(text: string): void {
    this.#state.textContent = text;
  }
}

function row(bag: OpenedBag): HTMLTableRowElement {
  const { head, content, problem } = bag;
  return element('tr', { 'data-seq': bag.seq }, [
    element('td', { class: 'number' }, [bag.seq]),
    element('td', { class: 'number' }, [`${bag.headBytes} + ${bag.bodyBytes ?? '?'}`]),
    element('td', {}, [bag.timeMs === null ? '' : new Date(bag.timeMs).toISOString()]),
    element('td', {}, [
      element('code', {}, [head?.eid ?? '']),
      content?.parent !== undefined && element('div', { class: 'hint' }, [`under ${content.parent}`]),
    ]),
    element('td', {}, [
      bag.deleted ? 'deleted' : (content?.type ?? ''),
      content?.group !== undefined && element('div', { class: 'hint' }, [`in ${content.group}`]),
    ]),
    element('td', {}, [
      problem !== null
        ? element('span', { class: 'error' }, [problem])
        : content !== null && valueView(content.body),
    ]),
  ]);
}

function fact(name: string, value: string): HTMLElement[] {
  return [element('dt', {}, [name]), element('dd', {}, [element('code', {}, [value])])];
}

// A user in a test: a React root of its own in the page, and what that root shows.

import { act, type ReactElement, StrictMode } from 'react';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach, expect, type MockInstance, vi } from 'vitest';
import { until } from '../support/until.ts';

declare global {
  var IS_REACT_ACT_ENVIRONMENT: boolean | undefined;
}

// What React warns of is a fault: a test that expects a complaint makes a spy of its own.
let complaints: MockInstance<typeof console.error>;
beforeEach(() => {
  complaints = vi.spyOn(console, 'error');
});
afterEach(() => {
  expect(complaints).not.toHaveBeenCalled();
  complaints.mockRestore();
});

/** React runs everything that `work` causes before this returns. Updates from sockets come by themselves. */
export async function acting(work: () => void | Promise<void>): Promise<void> {
  globalThis.IS_REACT_ACT_ENVIRONMENT = true;
  try {
    await act(async () => {
      await work();
    });
  } finally {
    globalThis.IS_REACT_ACT_ENVIRONMENT = false;
  }
}

/** One root. */
export class User {
  readonly container: HTMLElement;
  readonly #root: Root;
  readonly #strict: boolean;

  private constructor(container: HTMLElement, root: Root, strict: boolean) {
    this.container = container;
    this.#root = root;
    this.#strict = strict;
  }

  static async comes(element: ReactElement, options: { strict?: boolean } = {}): Promise<User> {
    const container = document.body.appendChild(document.createElement('div'));
    const user = new User(container, createRoot(container), options.strict ?? false);
    await user.renders(element);
    return user;
  }

  /** Takes over what a server rendered. `complaints` gets what React could not recover from in silence. */
  static async hydrates(html: string, element: ReactElement, complaints: unknown[]): Promise<User> {
    const container = document.body.appendChild(document.createElement('div'));
    container.innerHTML = html;
    let root: Root | undefined;
    await acting(() => {
      root = hydrateRoot(container, element, { onRecoverableError: (error) => complaints.push(error) });
    });
    if (root === undefined) throw new Error('hydration made no root');
    return new User(container, root, false);
  }

  async renders(element: ReactElement): Promise<void> {
    await acting(() => this.#root.render(this.#strict ? <StrictMode>{element}</StrictMode> : element));
  }

  /** Once gone, there is nothing to do. */
  async leaves(): Promise<void> {
    if (!this.container.isConnected) return;
    await acting(() => this.#root.unmount());
    this.container.remove();
  }

  /** What the element with this test id shows. */
  text(id: string): string | undefined {
    return this.container.querySelector(`[data-testid="${id}"]`)?.textContent ?? undefined;
  }

  async clicks(name: string): Promise<void> {
    await acting(() => this.button(name).click());
  }

  /** For several clicks at once, inside of one `acting`. */
  button(name: string): HTMLButtonElement {
    const buttons = [...this.container.querySelectorAll('button')];
    const button = buttons.find((each) => each.textContent === name);
    if (button === undefined) throw new Error(`no button ${name}`);
    return button;
  }

  async sees(id: string, text: string): Promise<void> {
    await until(`${id} shows ${text}, not ${this.text(id)}`, () => this.text(id) === text).catch(() => {
      expect(this.text(id)).toBe(text);
    });
  }
}

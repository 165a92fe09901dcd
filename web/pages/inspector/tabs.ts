// Tabs: one panel shown at a time, chosen by click or with the arrow keys. A panel is built when it is first shown.

import { element } from '../kit/element.ts';
import { onFragment } from '../kit/fragment.ts';

/** One tab. `open` fills its panel, once. */
export interface Tab {
  readonly id: string;
  readonly title: string;
  open(panel: HTMLElement): void;
}

/** Builds tabs. Shown is the one that `current` names, now and when the fragment changes. `chosen` hears of every change. */
export function makeTabs(
  label: string,
  tabs: readonly Tab[],
  current: () => string,
  chosen: (id: string) => void,
): HTMLElement {
  const buttons = tabs.map(({ id, title }) =>
    element('button', { type: 'button', role: 'tab', id: `tab-${id}`, 'aria-controls': `panel-${id}` }, [
      title,
    ]),
  );
  const panels = tabs.map(({ id }) =>
    element('div', { role: 'tabpanel', id: `panel-${id}`, 'aria-labelledby': `tab-${id}`, hidden: true }),
  );
  const built = new Set<string>();
  const choose = (index: number, focus: boolean) => {
    for (const [place, made] of buttons.entries()) {
      made.setAttribute('aria-selected', String(place === index));
      made.tabIndex = place === index ? 0 : -1;
    }
    for (const [place, panel] of panels.entries()) panel.hidden = place !== index;
    const tab = tabs[index];
    const panel = panels[index];
    if (tab === undefined || panel === undefined) return;
    if (focus) buttons[index]?.focus();
    if (!built.has(tab.id)) {
      built.add(tab.id);
      tab.open(panel);
    }
    chosen(tab.id);
  };
  for (const [index, made] of buttons.entries()) {
    made.addEventListener('click', () => choose(index, false));
    made.addEventListener('keydown', ({ key }) => {
      const by = key === 'ArrowRight' ? 1 : key === 'ArrowLeft' ? -1 : 0;
      if (by !== 0) choose((index + by + tabs.length) % tabs.length, true);
    });
  }
  const follow = () => {
    const named = tabs.findIndex(({ id }) => id === current());
    choose(Math.max(0, named), false);
  };
  follow();
  onFragment(follow);
  return element('div', {}, [
    element('div', { role: 'tablist', class: 'tabs', 'aria-label': label }, buttons),
    ...panels,
  ]);
}

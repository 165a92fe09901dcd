// The page `/inspector`: looks into a room, or into what is sealed.

import './inspector.css';
import { element } from '../kit/element.ts';
import { readFragment, writeFragment } from '../kit/fragment.ts';
import { openPage } from '../kit/page.ts';
import { entitiesPanel } from './entities.ts';
import { openRoomTab } from './room.ts';
import { makeTabs } from './tabs.ts';

const TAB = 'tab';

const { main } = openPage('inspector', { wide: true });
const tabs = [
  { id: 'room', title: 'Room', open: openRoomTab },
  { id: 'entities', title: 'Entities', open: (panel: HTMLElement) => panel.append(entitiesPanel()) },
];
main.append(
  element('h1', {}, ['Inspector']),
  makeTabs(
    'What to look into',
    tabs,
    () => readFragment(TAB) ?? 'room',
    (id) => writeFragment(TAB, id === 'room' ? undefined : id),
  ),
);

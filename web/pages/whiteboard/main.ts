// The page `/whiteboard`.

import { element } from '../kit/element.ts';
import { openPage } from '../kit/page.ts';

const { main } = openPage('whiteboard');
main.append(element('h1', {}, ['Whiteboard']));

// The page `/notes`.

import { element } from '../kit/element.ts';
import { openPage } from '../kit/page.ts';

const { main } = openPage('notes');
main.append(element('h1', {}, ['Notes']));

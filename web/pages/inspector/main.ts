// The page `/inspector`.

import { element } from '../kit/element.ts';
import { openPage } from '../kit/page.ts';

const { main } = openPage('inspector');
main.append(element('h1', {}, ['Inspector']));

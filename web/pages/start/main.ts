// The page `/`: what this server is, and the way to the other pages.

import { element } from '../kit/element.ts';
import { openPage } from '../kit/page.ts';

const { main } = openPage('start');
main.append(element('h1', {}, ['This is Seabag']));

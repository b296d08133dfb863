// The page: its parts, and what they have to tell each other.
import { Announcer } from './announcer.js';
import { mountBroker } from './broker_view.js';
import { at } from './dom.js';
import { Health } from './health.js';
import { mountHealth } from './health_view.js';
import { mountRoom } from './room_view.js';
import { mountTabs } from './tabs.js';
import { mountTheme } from './theme.js';

const announcer = new Announcer(at('announcer'));
const health = new Health();

mountTheme(at('theme'));
mountTabs(document.querySelector('[role="tablist"]'));
mountHealth(at('health'), health, announcer);

// Who hears of a drain first asks at once how long it is going to be.
const common = { announcer, onShutdown: () => health.ask() };
mountRoom(at('room'), common);
mountBroker(at('broker'), common);

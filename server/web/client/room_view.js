// The room on the page.
import { Composer } from './composer.js';
import { ConnectionBar } from './connection_bar.js';
import { partsOf } from './dom.js';
import { plural } from './format.js';
import { MessageList } from './message_list.js';
import { gapText, shutdownText, textOf } from './notices.js';
import { Room } from './room.js';

const NOBODY = 'published'; // from: null, what came by another protocol

/** The rows of the list that one of the server's messages makes. */
function entriesOf(message, isOwn) {
  const time = message.time === undefined ? new Date() : new Date(message.time);
  const entry = (kind, text, more) => ({ kind, time, seq: message.seq, text, ...more });
  switch (message.type) {
    case 'message':
      return [
        entry(isOwn ? 'own' : 'message', textOf(message.data), { label: message.from ?? NOBODY }),
      ];
    case 'tick':
      return [entry('tick', `Tick · ${message.active_connections} in the room`)];
    case 'greeting': {
      const isLost = message.recovered === false;
      const lost = entry('problem', 'Not everything since the last message is still there');
      return [entry('notice', message.message), ...(isLost ? [lost] : [])];
    }
    case 'gap':
      return [entry('problem', gapText(message))];
    case 'shutdown':
      return [entry('notice', shutdownText(message))];
    case 'error':
      return [entry('problem', `${message.code}: ${message.message}`)];
    default:
      return []; // of a server that is newer than this page
  }
}

/** onShutdown(): the server has said that it is going to drain. */
export function mountRoom(root, { announcer, onShutdown }) {
  const parts = partsOf(root);
  const { id, ticks } = parts;
  const list = new MessageList(parts.list, parts.tools);

  const room = new Room({
    onMessage: receive,
    onState: () => {
      id.readOnly = room.connection.isWanted;
      bar.update();
    },
    onUnheard: (count) => {
      const text = `${plural(count, 'message')} had not come back when the connection ended`;
      list.add({ kind: 'problem', time: new Date(), text });
    },
  });
  const connect = () => {
    if (id.reportValidity()) {
      room.connect(id.value);
    }
  };
  const bar = new ConnectionBar(parts.bar, {
    name: 'Room',
    announcer,
    connection: room.connection,
    connect,
  });

  function receive(message) {
    const isOwn = room.isOwn(message);
    entriesOf(message, isOwn).forEach((entry) => list.add(entry));
    if (message.active_connections !== undefined) {
      bar.detail = ` as ${room.clientId} · ${message.active_connections} in the room`;
    }
    if (message.type === 'greeting') {
      id.value = room.clientId;
    } else if (message.type === 'message' && !isOwn) {
      announcer.count(`${message.from ?? NOBODY}: ${textOf(message.data)}`);
    } else if (message.type === 'shutdown') {
      announcer.say(shutdownText(message));
      onShutdown();
    }
  }

  id.addEventListener('keydown', ({ key }) => {
    if (key === 'Enter' && !room.connection.isWanted) {
      connect();
    }
  });
  ticks.addEventListener('change', () =>
    list.filter(ticks.checked ? () => true : ({ kind }) => kind !== 'tick'),
  );
  new Composer(parts.composer, (text) => {
    if (!room.connection.isOpen) {
      return 'Not sent: there is no connection.';
    }
    room.say(text);
    return null;
  });
}

// A thread in which so many connections of TLS shake hands at any time: for each that is there, another
// one comes, until it is told that it is enough. Says {state: 'some'} when the first is there,
// {state: 'all', opened} behind the last, or what went wrong.
import tls from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';

const { port, ca, count } = workerData;
let isEnough = false;
let pending = 0;
let opened = 0;

function onOpen(socket) {
  pending--;
  opened++;
  if (opened === 1) {
    parentPort.postMessage({ state: 'some' });
  }
  // The first ones stay.
  if (opened > count) {
    socket.resume();
    socket.end();
  }
  if (!isEnough) {
    connect();
  }
  tellIfAll();
}

function tellIfAll() {
  if (isEnough && pending === 0) {
    parentPort.postMessage({ state: 'all', opened });
  }
}

function connect() {
  pending++;
  const socket = tls.connect({ host: '127.0.0.1', port, servername: 'localhost', ca }, () => onOpen(socket));
  socket.on('error', (error) => parentPort.postMessage({ state: `Error: ${error.message}` }));
}

parentPort.once('message', () => {
  isEnough = true;
  tellIfAll();
});
for (let i = 0; i < count; i++) {
  connect();
}

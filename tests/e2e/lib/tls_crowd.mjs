// A thread that opens many connections of TLS at once and keeps them: says 'some' when the first is
// there, 'all' behind the last, or what went wrong.
import tls from 'node:tls';
import { parentPort, workerData } from 'node:worker_threads';

const { port, ca, count } = workerData;
let open = 0;

for (let i = 0; i < count; i++) {
  const socket = tls.connect({ host: '127.0.0.1', port, servername: 'localhost', ca }, () => {
    open++;
    if (open === 1 || open === count) {
      parentPort.postMessage(open === count ? 'all' : 'some');
    }
  });
  socket.on('error', (error) => parentPort.postMessage(`Error: ${error.message}`));
}

// A port whose connections all come to one worker: for a browser, whose sockets a test cannot choose.
import net from 'node:net';
import { once } from 'node:events';

/**
 * Forwards every connection to that worker (a number) of the server. A worker that dies takes its
 * connections with it; the next ones go to the one in its place. Returns the port.
 */
export async function startPinned(server, index, cleanup) {
  const open = async () => {
    const socket = net.connect(server.port, '127.0.0.1');
    socket.on('error', () => {}); // a server that ends while its place is looked for
    await once(socket, 'connect');
    return { socket, terminate: () => socket.destroy() };
  };
  const sockets = new Set();
  const keep = (socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).once('close', () => sockets.delete(socket));
  };
  const listener = net.createServer(async (client) => {
    keep(client);
    try {
      const { socket } = await server.onWorker(index, open);
      keep(socket);
      client.pipe(socket).pipe(client);
      client.once('close', () => socket.destroy());
      socket.once('close', () => client.destroy());
    } catch {
      client.destroy(); // nobody is there just now: the browser will come again
    }
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  cleanup(() => {
    listener.close();
    sockets.forEach((socket) => socket.destroy());
  });
  return listener.address().port;
}

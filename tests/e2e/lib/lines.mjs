/** Calls onLine for each whole line of a stream's text. Gives a function for what came behind the last. */
export function onLines(stream, onLine) {
  let partial = '';
  stream.setEncoding('utf8').on('data', (text) => {
    const lines = (partial + text).split('\n');
    partial = lines.pop();
    lines.forEach((line) => onLine(line));
  });
  return () => partial;
}

// The log as an administrator sees it: every operation, of all topics, in one order.

/** {seq, kind, topics, data} of each. Problems get texts about what may not be: seq has no hole. */
export async function readWholeLog(server, problems) {
  const operations = [];
  for (let next = 1, last = 1; next <= last; ) {
    const answer = await server.control(0, 'GET', `/control/log?from=${next}&limit=1000`);
    const page = answer.json;
    for (const operation of page.events) {
      if (operation.seq !== operations.length + 1) {
        problems.push(`the log has seq ${operation.seq} as number ${operations.length + 1}`);
        return operations;
      }
      operations.push(operation);
    }
    next = page.next;
    last = page.last_seq;
  }
  return operations;
}

// UTF-8 by table 3-7 of the Unicode standard, one byte at a time: a model, written for being read.

/** [first byte from, to, range of the second byte, further continuation bytes]. */
const LEADS = [
  [0x00, 0x7f, null, 0],
  [0xc2, 0xdf, [0x80, 0xbf], 0],
  [0xe0, 0xe0, [0xa0, 0xbf], 1],
  [0xe1, 0xec, [0x80, 0xbf], 1],
  [0xed, 0xed, [0x80, 0x9f], 1],
  [0xee, 0xef, [0x80, 0xbf], 1],
  [0xf0, 0xf0, [0x90, 0xbf], 2],
  [0xf1, 0xf3, [0x80, 0xbf], 2],
  [0xf4, 0xf4, [0x80, 0x8f], 2],
];

/** Where the first byte stands that no text can have there (-1: nowhere), and if the end may be. */
export function judge(bytes) {
  let awaited = []; // ranges of the bytes that must follow
  for (const [at, byte] of bytes.entries()) {
    if (awaited.length > 0) {
      const [from, to] = awaited.shift();
      if (byte < from || byte > to) {
        return { badAt: at, isWhole: false };
      }
      continue;
    }
    const lead = LEADS.find(([from, to]) => byte >= from && byte <= to);
    if (!lead) {
      return { badAt: at, isWhole: false };
    }
    awaited = lead[2] ? [lead[2], ...Array(lead[3]).fill([0x80, 0xbf])] : [];
  }
  return { badAt: -1, isWhole: awaited.length === 0 };
}

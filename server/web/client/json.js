// JSON whose numbers stay as they were written, where the browser knows how.

const LARGE_NUMBER = /\d{16}|\d[eE][+-]?\d{3}/;

const keepDigits = (key, value, { source }) =>
  typeof value === 'number' && String(value) !== source ? JSON.rawJSON(source) : value;

/** As JSON.parse, which it is unless a number in the text could be too large for that. */
export function parseJson(text) {
  const hasToCare = LARGE_NUMBER.test(text) && JSON.rawJSON !== undefined;
  return hasToCare ? JSON.parse(text, keepDigits) : JSON.parse(text);
}

/** Why the text is no JSON; null: it is. */
export function jsonProblem(text) {
  try {
    JSON.parse(text);
    return null;
  } catch (error) {
    return error.message;
  }
}

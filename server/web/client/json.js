// JSON whose numbers stay as they were written, where the browser knows how.

// Of a text without them every number is printed as it was written: 12.50 is not, nor 1e2 or -0.
const ODD_NUMBER = /\d{16}|\d[eE]|\.\d*0(?!\d)|0\.0{5}|-0(?![.\d])/;

const keepDigits = (key, value, { source }) =>
  typeof value === 'number' && String(value) !== source ? JSON.rawJSON(source) : value;

/** As JSON.parse, which it is unless a number in the text would be printed otherwise. */
export function parseJson(text) {
  const hasToCare = ODD_NUMBER.test(text) && JSON.rawJSON !== undefined;
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

// Times, numbers and values as people read them: in the reader's language where there is a choice.

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const calendar = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'long' });
const number = new Intl.NumberFormat();

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;

export const formatClock = (date) => clock.format(date);
export const formatTime = (date) => calendar.format(date);
export const formatCount = (count) => number.format(count);

/** "1 message", "2,000 messages" */
export const plural = (count, one, many = `${one}s`) =>
  `${formatCount(count)} ${count === 1 ? one : many}`;

/** The two largest units: "3 d 4 h", "5 min 12 s", "30 min", "0 s". */
export function formatDuration(seconds) {
  const whole = Math.floor(seconds);
  const units = [
    [Math.floor(whole / DAY_S), 'd'],
    [Math.floor((whole % DAY_S) / HOUR_S), 'h'],
    [Math.floor((whole % HOUR_S) / MINUTE_S), 'min'],
    [whole % MINUTE_S, 's'],
  ];
  const first = units.findIndex(([count]) => count > 0);
  const shown = units.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ') || '0 s';
}

/** "29:45", "1:00:00": what is left of something that ends. */
export function formatCountdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (count) => String(count).padStart(2, '0');
  const [hours, minutes] = [Math.floor(whole / HOUR_S), Math.floor((whole % HOUR_S) / MINUTE_S)];
  const start = hours > 0 ? `${hours}:${two(minutes)}` : String(minutes);
  return `${start}:${two(whole % MINUTE_S)}`;
}

// What both protocols say in the same way.
import { formatDuration } from './format.js';

/** A published value as text: a string is itself. */
export const textOf = (data) => (typeof data === 'string' ? data : JSON.stringify(data));

export const gapText = ({ topic, oldest }) =>
  `Gap${topic === undefined ? '' : ` in ${topic}`}: what came before ${oldest} is no longer kept`;

export const shutdownText = ({ message, remaining_seconds: seconds }) =>
  `${message}: ${formatDuration(seconds)} left`;

// Mounts that only one program sees; needs root.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';

/**
 * The command in front of a program that may mount. In a chroot whose root is no mount point nothing can
 * be made private at once: whoever mounts there should take it away again.
 */
export const MOUNT_NAMESPACE =
  spawnSync('unshare', ['--mount', 'true']).status === 0
    ? ['unshare', '--mount']
    : ['unshare', '--mount', '--propagation', 'unchanged'];

function hasTerminals() {
  try {
    fs.closeSync(fs.openSync('/dev/ptmx', fs.constants.O_RDWR | fs.constants.O_NOCTTY));
    return true;
  } catch {
    return false;
  }
}

const WITH_TERMINALS =
  'mount --make-private /dev; mount -t devpts -o ptmxmode=0666 devpts /dev/pts && exec "$@"';

/** The command in front of a program that opens pseudo-terminals: none, where /dev has them. */
export const terminalCommand = () =>
  hasTerminals() ? [] : [...MOUNT_NAMESPACE, 'sh', '-c', WITH_TERMINALS, 'sh'];

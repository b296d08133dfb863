// Programs of others that tests run beside the server: nginx, haproxy, promtool, systemd-analyze.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const tools = process.env.SLUICE_TOOLS ?? path.join(root, 'build-tools');

/** Where a program of that Debian package is: unpacked by tools/test.sh, or else installed. */
export function toolPath(name, debianPackage = name) {
  const folders = [
    ...['usr/bin', 'usr/sbin', 'bin', 'sbin'].map((dir) => path.join(tools, debianPackage, dir)),
    ...(process.env.PATH ?? '').split(':'),
    ...['/usr/sbin', '/sbin'], // not everybody has them in the PATH
  ];
  const found = folders.map((dir) => path.join(dir, name)).find((file) => fs.existsSync(file));
  if (!found) {
    throw new Error(
      `${name} is not there: tools/test.sh e2e unpacks Debian's package ${debianPackage} ` +
        `into ${tools}; elsewhere put it on the PATH`,
    );
  }
  return found;
}

// Small disks that only a server and its test see, and others' files on them; needs root.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { onLines } from '../../e2e/lib/lines.mjs';
import { MOUNT_NAMESPACE } from '../../e2e/lib/mounts.mjs';
import { makeDirectory } from '../../e2e/lib/server.mjs';
import { within } from '../../e2e/lib/until.mjs';

const MIB = 1024 * 1024;
const SECTOR = 512;

/** What is to be mounted on $1, and of how many MiB ($2); $3 may hold it. */
const SCRIPTS = {
  tmpfs: 'mount -t tmpfs -o size="$2"m none "$1"',
  // No blocks kept for root, who the server may be.
  ext4:
    'truncate -s "$2"M "$3" && PATH=$PATH:/sbin:/usr/sbin mkfs.ext4 -q -m 0 "$3" && ' +
    'mount -o loop "$3" "$1"',
};

// Whatever ends a test ends the mount namespaces, and with them the disks.
const mounted = new Set();
process.once('exit', () => mounted.forEach((disk) => disk.remove()));

/** A mounted disk of that kind. Programs started behind `prefix` see it as `directory`. */
export class Disk {
  #holder;

  /** null: such a disk cannot be made here, which is said. */
  static async make(kind, mib) {
    const disk = new Disk();
    disk.kind = kind;
    disk.directory = makeDirectory();
    disk.image = `${disk.directory}.img`;
    const script = `${SCRIPTS[kind]} && echo mounted && exec sleep infinity`;
    const words = ['sh', disk.directory, String(mib), disk.image];
    const [program, ...args] = [...MOUNT_NAMESPACE, 'sh', '-c', script, ...words];
    disk.#holder = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    mounted.add(disk);
    let reason = '';
    disk.#holder.stderr.on('data', (text) => (reason += text));
    const isMounted = new Promise((resolve) => {
      onLines(disk.#holder.stdout, () => resolve(true));
      disk.#holder.once('error', () => resolve(false));
      disk.#holder.once('close', () => resolve(false));
    });
    if (await within(isMounted, `a disk of ${kind}`)) {
      disk.root = `/proc/${disk.#holder.pid}/root${disk.directory}`;
      // Its root, too: a mount namespace has that of the machine, wherever a chroot's is.
      disk.prefix = ['nsenter', '--target', String(disk.#holder.pid), '--mount', '--root', '--'];
      return disk;
    }
    console.log(`no ${kind} can be mounted here: ${reason.trim().split('\n').at(-1)}`);
    disk.remove();
    return null;
  }

  /** A path below it as this process has to name it. */
  path(...names) {
    return path.join(this.root, ...names);
  }

  #run(...command) {
    const [program, ...args] = [...this.prefix, ...command];
    const { status, stderr } = spawnSync(program, args);
    if (status !== 0) {
      throw new Error(`${command.join(' ')}: ${stderr}`);
    }
  }

  get freeBytes() {
    const { bavail, bsize } = fs.statfsSync(this.root);
    return bavail * bsize;
  }

  /** tmpfs only. */
  resize(mib) {
    this.#run('mount', '-o', `remount,size=${mib}m`, this.directory);
  }

  /** Another's file takes all the room that there is, but `left` bytes. */
  fill(left = 0) {
    const fd = fs.openSync(this.path('foreign'), 'a');
    const room = Buffer.alloc(MIB, 'f');
    try {
      for (let bytes = MIB; bytes >= SECTOR; ) {
        const wanted = Math.min(bytes, left > 0 ? this.freeBytes - left : bytes);
        if (wanted < SECTOR) {
          return;
        }
        try {
          fs.writeSync(fd, room, 0, wanted);
          fs.fsyncSync(fd);
        } catch (error) {
          if (error.code !== 'ENOSPC') {
            throw error;
          }
          bytes /= 2;
        }
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Others' files are gone. */
  free() {
    fs.rmSync(this.path('foreign'), { force: true });
  }

  remove() {
    if (mounted.delete(this)) {
      if (this.prefix) {
        spawnSync(this.prefix[0], [...this.prefix.slice(1), 'umount', '--lazy', this.directory]);
      }
      this.#holder.kill('SIGKILL');
      fs.rmSync(this.image, { force: true });
      fs.rmSync(this.directory, { recursive: true, force: true });
    }
  }
}

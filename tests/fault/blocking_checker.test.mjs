// The judge of blocking.mjs is shown what it has to find, and what is fine.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { descriptorsThatWait, judgeCalls } from './lib/calls.mjs';

const problemsOf = (...lines) => judgeCalls(lines).problems;

test('calls of a worker that waits for nobody are fine', () => {
  const lines = [
    '71 epoll_wait(5<anon_inode:[eventpoll]>, [{events=EPOLLIN, data={u32=1, u64=1}}], 128, 1000) = 1 <0.000100>',
    '71 epoll_wait(5<anon_inode:[eventpoll]>,  <unfinished ...>',
    '72 accept4(7<socket:[1]>, {sa_family=AF_INET}, [128 => 16], SOCK_CLOEXEC|SOCK_NONBLOCK) = 9<socket:[2]> <0.000010>',
    '71 <... epoll_wait resumed>[], 128, 0) = 0 <0.000002>',
    '71 recvfrom(9<socket:[2]>, "GET"..., 16384, 0, NULL, NULL) = 100 <0.000010>',
    '71 futex(0x7f00, FUTEX_WAIT_BITSET|FUTEX_CLOCK_REALTIME, 2, {tv_sec=1, tv_nsec=2}, FUTEX_BITSET_MATCH_ANY) = 0 <0.001>',
    '71 futex(0x7f00, FUTEX_WAKE, 1) = 0 <0.000001>',
    '71 sendto(2<socket:[3]>, "a line"..., 40, MSG_DONTWAIT|MSG_NOSIGNAL, NULL, 0) = 40 <0.000010>',
    '71 write(12<anon_inode:[eventfd]>, "\\1\\0"..., 8) = 8 <0.000001>',
    '71 poll([{fd=2<socket:[3]>, events=POLLOUT}], 1, 97) = 0 (Timeout) <0.097>',
    '71 --- SIGSTOP {si_signo=SIGSTOP} ---',
  ];
  assert.deepEqual(judgeCalls(lines), {
    problems: [],
    count: 9,
    longest: {
      epoll_wait: 0.0001, accept4: 0.00001, recvfrom: 0.00001, futex: 0.001, sendto: 0.00001, write: 0.000001,
      poll: 0.097,
    },
  });
});

for (const line of [
  '71 epoll_wait(5<anon_inode:[eventpoll]>, [], 128, -1) = 0 <0.1>',
  '71 epoll_wait(5<anon_inode:[eventpoll]>, [], 128, 5000) = 0 <0.1>',
  '71 accept4(7<socket:[1]>, NULL, NULL, SOCK_CLOEXEC) = 9<socket:[2]> <0.1>',
  '71 sendto(2<socket:[3]>, "a line"..., 40, MSG_NOSIGNAL, NULL, 0) = 40 <0.1>',
  '71 sendto(9<socket:[3]>, "a line"..., 40, MSG_DONTWAIT, NULL, 0) = 40 <0.1>',
  '71 read(9</var/lib/sluice/id>, "", 4096) = 0 <0.1>',
  '71 openat(AT_FDCWD</>, "/usr/lib/ssl/openssl.cnf", O_RDONLY) = 9 <0.1>',
  '71 fsync(9</var/lib/sluice/id>) = 0 <0.1>',
  '71 clock_nanosleep(CLOCK_MONOTONIC, 0, {tv_sec=1, tv_nsec=0}, NULL) = 0 <1.0>',
  '71 futex(0x7f00, FUTEX_WAIT, 2, NULL) = 0 <0.1>',
  '71 poll([{fd=2<socket:[3]>, events=POLLOUT}], 1, -1) = 1 <0.1>',
  '71 poll([{fd=9<socket:[3]>, events=POLLIN}], 1, 10) = 1 <0.1>',
  '71 wait4(-1, NULL, 0, NULL) = 72 <0.1>',
  'what is this',
]) {
  test(`not fine: ${line}`, () => assert.equal(problemsOf(line).length, 1));
}

test('a socket that waits is found among the descriptors of a process', async () => {
  const child = spawn('sh', ['-c', 'exec 7<&0; echo; exec sleep 60']); // node gives it sockets
  try {
    await once(child.stdout, 'data');
    assert.deepEqual(
      descriptorsThatWait(child.pid).map((what) => what.replace(/\d+\]/, 'N]')),
      ['7 -> socket:[N]'],
    );
  } finally {
    child.kill();
  }
});

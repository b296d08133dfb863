// A real Chromium, one per test file, and pages of other origins for it to visit.
import fs from 'node:fs';
import http from 'node:http';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { metric } from './metrics.mjs';
import { TIMEOUT_MS, until, within } from './until.mjs';

// Names that lead to this machine, as an attacker's DNS would have it; no other name leads anywhere.
const NAMES = ['evil.test', 'app.test', 'events.test'];
const EXECUTABLES = [
  process.env.CHROMIUM_BIN,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
];

const resolverRules = [
  ...NAMES.map((name) => `MAP ${name} 127.0.0.1`),
  'MAP * ~NOTFOUND',
  ...['127.0.0.1', 'localhost'].map((name) => `EXCLUDE ${name}`),
];

let browser;

function launch() {
  const executablePath = EXECUTABLES.find((path) => path && fs.existsSync(path));
  if (!executablePath) {
    throw new Error('no Chromium here: install Debian\'s "chromium", or set CHROMIUM_BIN');
  }
  return chromium.launch({
    executablePath,
    headless: true,
    timeout: TIMEOUT_MS,
    args: [
      '--no-sandbox', // which root cannot have
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--no-proxy-server',
      `--host-resolver-rules=${resolverRules.join(' , ')}`,
    ],
  });
}

after(async () => (await browser)?.close());

/** A page in a context of its own, which nothing of another test has touched; options: of newContext. */
export async function openPage(cleanup, options) {
  browser ??= launch();
  const context = await (await browser).newContext(options);
  context.setDefaultTimeout(TIMEOUT_MS);
  cleanup(() => context.close());
  return context.newPage();
}

/**
 * Serves the pages of other origins: an empty one at every path; /to?URL sends the browser on by 307.
 * url(host, path) is the address under one of the names.
 */
export async function startPages(cleanup) {
  const server = http.createServer((request, response) => {
    const { pathname, search } = new URL(request.url, 'http://x');
    request.resume();
    if (pathname === '/to') {
      response.writeHead(307, { location: decodeURIComponent(search.slice(1)) }).end();
      return;
    }
    response.setHeader('content-type', 'text/html');
    if (pathname === '/unnamed') {
      response.setHeader('referrer-policy', 'no-referrer');
    }
    response.end('<!doctype html><title>page</title>');
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  cleanup(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address();
  return { port, url: (host, path = '/') => `http://${host}:${port}${path}` };
}

/**
 * Calls fn and waits until something has reached the server by it: what the browser itself keeps back
 * proves nothing. Returns what fn does.
 */
export async function arriving(server, what, fn) {
  // Asking for it is a request, too.
  const requests = () => metric(server, 'sluice_http_requests_total');
  const before = await requests();
  let asked = 0;
  const result = await within(fn(), `the end of ${what}`);
  await until(async () => (await requests()) - before > ++asked, {
    what: `a request to the server from ${what}`,
  });
  return result;
}

/** The same for what the server cut off before it became a request. */
export async function cutOff(server, what, fn) {
  const count = () => metric(server, 'sluice_protocol_errors_total');
  const before = await count();
  const result = await within(fn(), `the end of ${what}`);
  await until(async () => (await count()) > before, { what: `a connection cut off: ${what}` });
  return result;
}

// --- what a page can try; each runs in the page, with nothing but its argument

/** {status, text, type} of a fetch, or {error}. */
export async function tryFetch({ url, init }) {
  try {
    const response = await fetch(url, init);
    return { status: response.status, type: response.type, text: await response.text() };
  } catch (error) {
    return { error: error.name };
  }
}

/**
 * What the first message is, or {code} when it closes before. say: sent when it is open; the server has read it
 * by the time this resolves, as it has answered the close behind it.
 */
export function trySocket({ url, say }) {
  return new Promise((resolve) => {
    const socket = new WebSocket(url);
    let hasOpened = false;
    socket.onopen = () => {
      hasOpened = true;
      if (say !== undefined) {
        socket.send(say);
      }
    };
    socket.onmessage = ({ data }) => {
      socket.onclose = () => resolve({ data });
      socket.close();
    };
    socket.onclose = ({ code }) => resolve({ code, hasOpened });
  });
}

/** The first event's data, or {state} when EventSource fails. */
export function tryEvents({ url }) {
  return new Promise((resolve) => {
    const source = new EventSource(url);
    const finish = (result) => {
      source.close();
      resolve(result);
    };
    source.onmessage = ({ data, lastEventId }) => finish({ data, lastEventId });
    source.onerror = () => finish({ state: source.readyState });
  });
}

/** Submits a form into a frame; fields: {name: value}. */
export function tryForm({ url, enctype, fields }) {
  return new Promise((resolve) => {
    const sink = document.createElement('iframe');
    sink.name = `sink${document.querySelectorAll('iframe').length}`;
    document.body.append(sink);
    const form = document.createElement('form');
    Object.assign(form, { action: url, method: 'post', enctype, target: sink.name });
    for (const [name, value] of Object.entries(fields)) {
      form.append(Object.assign(document.createElement('input'), { name, value }));
    }
    document.body.append(form);
    sink.onload = () => resolve();
    form.submit();
  });
}

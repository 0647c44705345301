// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// The API: requests, refusals, and the token.

let token = '';
try {
  token = sessionStorage.getItem('probekit-token') || '';
} catch (error) {
  token = '';
}
let asking = false; // for a token: until there is one nothing is sent

/** What the API refuses, or that it cannot be reached. */
class Refusal extends Error {
  constructor(status, text, retryAfter) {
    super(text);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

function refusalOf(status, text, retryAfter) {
  let detail = '';
  let problem = null;
  try {
    problem = JSON.parse(text);
    detail = problem.detail || problem.title || '';
  } catch (error) {
    detail = '';
  }
  let message = detail || 'the API answered ' + status;
  if ((status === 429 || status === 503) && retryAfter) message += '; try again in ' + retryAfter + ' s';
  const refusal = new Refusal(status, message, Number(retryAfter) || 0);
  refusal.problem = problem;
  return refusal;
}

const headersWithToken = (headers) => (token ? Object.assign({Authorization: 'Bearer ' + token}, headers) : headers);

/** The response, if its status is 2xx; throws a Refusal otherwise. */
async function ask(method, path, body, signal) {
  if (asking) throw new Refusal(401, 'waiting for a token');
  const used = token;
  let response;
  try {
    response = await fetch(path, {
      method,
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      headers: headersWithToken(body === undefined ? {} : {'Content-Type': 'application/json'}),
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Refusal(0, 'the master cannot be reached');
  }
  const date = Date.parse(response.headers.get('Date'));
  if (Number.isFinite(date) && Math.abs(date - Date.now()) > 2000) clockSkew = date - Date.now();
  if (response.ok) return response;
  if (response.status === 401) askForToken(used);
  throw refusalOf(response.status, await response.text().catch(() => ''), response.headers.get('Retry-After'));
}

const askJson = async (method, path, body, signal) => (await ask(method, path, body, signal)).json();

/** Lines of NDJSON, and the cursor behind them; null: there is no more, ever. */
async function askLines(path, signal) {
  const response = await ask('GET', path, undefined, signal);
  const text = await response.text();
  const items = [];
  for (const line of text.split('\n')) if (line) items.push(JSON.parse(line));
  return {items, next: response.headers.get('Probekit-Next-Cursor')};
}

function query(parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== '' && value !== undefined && value !== null) search.set(name, value);
  }
  const text = search.toString();
  return text ? '?' + text : '';
}

function askForToken(used) {
  if (asking || used !== token) return;
  asking = true;
  setText(byId('token-text'), used ? 'That token is not accepted.' : 'This master asks for a token.');
  token = '';
  keepToken();
  byId('token-input').value = '';
  const dialog = byId('token-dialog');
  if (!dialog.open) dialog.showModal();
  byId('token-input').focus();
}

function keepToken() {
  try {
    if (token) sessionStorage.setItem('probekit-token', token);
    else sessionStorage.removeItem('probekit-token');
  } catch (error) {
    // Then it is kept in memory alone.
  }
  byId('forget-token').hidden = !token;
}

byId('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const given = byId('token-input').value.trim();
  // A header takes visible ASCII alone.
  if (!/^[\x21-\x7e]+$/.test(given)) {
    setText(byId('token-text'), 'A token is visible ASCII characters without spaces.');
    return;
  }
  token = given;
  byId('token-input').value = '';
  keepToken();
  asking = false;
  byId('token-dialog').close();
  pollAll();
});
// Without a token there is nothing to see behind it.
byId('token-dialog').addEventListener('cancel', (event) => event.preventDefault());
byId('token-dialog').addEventListener('close', () => {
  if (asking) byId('token-dialog').showModal();
});
byId('forget-token').addEventListener('click', () => {
  token = '';
  keepToken();
  location.reload(); // and what it let us see
});

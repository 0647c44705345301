// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// When the API is asked, and where we are.

const kBackoffMax = 60000;

const pollers = [];

/**
 * Calls `look` every `interval` ms while the page is seen and `wanted()` holds; never again before
 * it ended; after failures ever later, up to a minute.
 */
class Poller {
  constructor(interval, wanted, look, failed) {
    this.interval = interval;
    this.wanted = wanted;
    this.look = look;
    this.failed = failed;
    this.failures = 0;
    this.running = false;
    this.again = false;
    this.timer = 0;
    pollers.push(this);
  }

  /** Now, or as soon as the one under way ended. */
  poll() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (this.running) {
      this.again = true;
      return;
    }
    if (document.hidden || asking || !this.wanted()) return;
    this.run();
  }

  async run() {
    this.running = true;
    this.again = false;
    let delay = this.interval;
    try {
      await this.look();
      this.failures = 0;
    } catch (error) {
      this.failures += 1;
      const doubled = this.interval * 2 ** Math.min(this.failures, 10);
      delay = Math.min(kBackoffMax, Math.max(doubled, (error.retryAfter || 0) * 1000));
      delay *= 0.75 + Math.random() / 2;
      if (!(error instanceof Refusal)) console.error(error);
      else if (error.status !== 401) this.failed(error, delay);
    }
    this.running = false;
    if (this.again) this.poll();
    else this.timer = setTimeout(() => this.poll(), delay);
  }
}

const pollAll = () => pollers.forEach((poller) => poller.poll());
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) pollAll();
});
window.addEventListener('online', pollAll);

// What #opened shows: a batch or a schedule; '' = the overview. Each opening is another visit.
const opened = {kind: '', name: '', visit: 0};
const onOverview = () => opened.kind === '';

// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <probekit/task_queue.hpp>

int main() {
  probekit::TaskQueueOptions options;
  options.concurrency = 8;
  const probekit::TaskQueue queue{options};
  return queue.window().high == 16 ? 0 : 1;
}

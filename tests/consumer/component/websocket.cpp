// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include <probekit/websocket.hpp>
#include <stdexcept>

int main() {
  probekit::WebSocketConnectorOptions options;
  options.urls = {"ftp://nowhere"};
  try {
    probekit::make_websocket_connector(options);
  } catch (const std::invalid_argument&) {
    return 0;
  }
  return 1;
}

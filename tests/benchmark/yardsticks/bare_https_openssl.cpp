// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

// bare_https PORT COUNT CA_FILE: asks https://localhost:PORT/ with OpenSSL and blocking sockets
// alone, one fresh connection and full handshake each, one SSL_CTX for all. The least an HTTPS
// probe can cost.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "own_cost.hpp"

namespace {

// True when an answer with status 200 was read to its end.
bool fetch(SSL_CTX* context, const sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return false;
  }
  SSL* ssl = SSL_new(context);
  SSL_set_fd(ssl, fd);
  SSL_set_tlsext_host_name(ssl, "localhost");
  SSL_set1_host(ssl, "localhost");
  static constexpr char kRequest[] =
      "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  bool good = SSL_connect(ssl) == 1 && SSL_write(ssl, kRequest, sizeof kRequest - 1) ==
                                           static_cast<int>(sizeof kRequest - 1);
  char answer[4096];
  int filled = 0;
  while (good && filled < static_cast<int>(sizeof answer)) {
    const int count = SSL_read(ssl, answer + filled, static_cast<int>(sizeof answer) - filled);
    if (count <= 0) break;
    filled += count;
  }
  good = good && filled > 12 && std::memcmp(answer, "HTTP/1.1 200", 12) == 0;
  SSL_shutdown(ssl);
  SSL_free(ssl);
  close(fd);
  return good;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto count = std::strtoull(argv[2], nullptr, 10);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[1])));
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  if (SSL_CTX_load_verify_locations(context, argv[3], nullptr) != 1) return 2;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  const auto before = probekit::benchmark::own_cpu_us();
  std::uint64_t failed = 0;
  for (std::uint64_t n = 0; n < count; ++n)
    if (!fetch(context, address)) ++failed;
  probekit::benchmark::print_cost(count, failed, probekit::benchmark::own_cpu_us() - before);
  SSL_CTX_free(context);
}

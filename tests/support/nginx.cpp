// SPDX-FileCopyrightText: 2026 The probekit authors
// SPDX-License-Identifier: MIT

#include "support/nginx.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fstream>
#include <iterator>

#include "support/run_until.hpp"

namespace probekit::test {
namespace {

bool accepts(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

}  // namespace

Nginx::Nginx(const NginxOptions& options) : port_(free_port()) {
  const auto seconds = std::to_string(options.send_timeout_seconds) + "s";
  std::ofstream conf{folder_.path() + "/nginx.conf"};
  conf << "daemon off;\npid nginx.pid;\nerror_log error.log info;\nworker_processes 1;\n"
       << "events { worker_connections 4096; }\n"
       << "http {\n  access_log off;\n"
       << "  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
       << "  scgi_temp_path scgi; uwsgi_temp_path uwsgi;\n"
       << "  upstream master { server 127.0.0.1:" << options.upstream_port << "; }\n"
       << "  server {\n    listen 127.0.0.1:" << port_ << ";\n    location /ws {\n"
       << "      proxy_pass http://master" << (options.strip_path ? "/" : "") << ";\n"
       << "      proxy_http_version 1.1;\n      proxy_set_header Upgrade $http_upgrade;\n"
       << "      proxy_set_header Connection upgrade;\n      proxy_set_header Host $host;\n"
       << "      proxy_read_timeout 3600s;\n      send_timeout " << seconds << ";\n"
       << "      proxy_send_timeout " << seconds << ";\n    }\n  }\n}\n";
  conf.close();
  process_ =
      std::make_unique<Process>(std::vector<std::string>{"/usr/sbin/nginx", "-p", folder_.path(),
                                                         "-c", folder_.path() + "/nginx.conf"},
                                folder_.path());
  run_until([this] { return accepts(port_); });
}

Nginx::~Nginx() {
  process_->signal(SIGTERM);
  process_->wait(std::chrono::seconds{5});
}

std::string Nginx::url() const { return "ws://127.0.0.1:" + std::to_string(port_) + "/ws"; }

std::string Nginx::errors() const {
  std::ifstream file{folder_.path() + "/error.log"};
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

void Nginx::reload() { process_->signal(SIGHUP); }

}  // namespace probekit::test

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

bool accepts(std::uint16_t port, const std::string& host = "127.0.0.1") {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  address.sin_port = htons(port);
  const bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return connected;
}

// What every configuration here begins with, up to and with the http block's brace.
constexpr char kHead[] =
    "daemon off;\npid nginx.pid;\nerror_log error.log info;\nworker_processes 1;\n"
    "events { worker_connections 4096; }\n"
    "http {\n  access_log off;\n"
    "  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n"
    "  scgi_temp_path scgi; uwsgi_temp_path uwsgi;\n";

std::unique_ptr<Process> start_nginx(const std::string& folder) {
  return std::make_unique<Process>(
      std::vector<std::string>{"/usr/sbin/nginx", "-p", folder, "-c", folder + "/nginx.conf"},
      folder);
}

std::string read(const std::string& path) {
  std::ifstream file{path};
  return std::string{std::istreambuf_iterator<char>(file), {}};
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
}

void end(Process& process) {
  if (process.running()) process.signal(SIGTERM);
  process.wait(std::chrono::seconds{5});
}

}  // namespace

ShippedNginx::ShippedNginx(const ShippedNginxOptions& options)
    : agents_port_(free_port()), api_port_(free_port()) {
  std::string conf = read(PROBEKIT_DOCS_DIR "/nginx.conf");
  const auto here = [](std::uint16_t port) { return "127.0.0.1:" + std::to_string(port); };
  replace_all(conf, "@SERVER_NAME@", options.server_name);
  replace_all(conf, "@CERTIFICATE@", options.certificate);
  replace_all(conf, "@KEY@", options.key);
  replace_all(conf, "@AGENTS_LISTEN@", here(agents_port_));
  replace_all(conf, "@AGENTS_MASTER@", here(options.agents_port));
  replace_all(conf, "@API_LISTEN@", here(api_port_));
  replace_all(conf, "@API_MASTER@", here(options.api_port));
  std::ofstream{folder_.path() + "/probekit.conf"} << conf;
  std::ofstream{folder_.path() + "/nginx.conf"} << kHead << "  include probekit.conf;\n}\n";
  process_ = start_nginx(folder_.path());
  run_until([this] { return accepts(agents_port_) && accepts(api_port_); });
}

ShippedNginx::~ShippedNginx() { end(*process_); }

std::string ShippedNginx::errors() const { return read(folder_.path() + "/error.log"); }

Nginx::Nginx(const NginxOptions& options) : address_(options.address), port_(free_port()) {
  const auto seconds = std::to_string(options.send_timeout_seconds) + "s";
  std::ofstream conf{folder_.path() + "/nginx.conf"};
  conf << options.main << kHead << "  upstream master { server 127.0.0.1:" << options.upstream_port
       << "; }\n"
       << "  server {\n    listen " << address_ << ':' << port_ << ";\n    location /ws {\n"
       << "      proxy_pass http://master" << (options.strip_path ? "/" : "") << ";\n"
       << "      proxy_http_version 1.1;\n      proxy_set_header Upgrade $http_upgrade;\n"
       << "      proxy_set_header Connection upgrade;\n      proxy_set_header Host $host;\n"
       << "      proxy_read_timeout 3600s;\n      send_timeout " << seconds << ";\n"
       << "      proxy_send_timeout " << seconds << ";\n    }\n"
       << options.locations << "  }\n}\n";
  conf.close();
  start();
}

Nginx::~Nginx() { stop(); }

void Nginx::start() {
  process_ = start_nginx(folder_.path());
  run_until([this] { return accepts(port_, address_); });
}

void Nginx::stop() { end(*process_); }

void Nginx::kill() {
  const auto workers = children(process_->pid());
  process_->signal(SIGKILL);
  process_->wait(std::chrono::seconds{5});
  for (const pid_t worker : workers) ::kill(worker, SIGKILL);
}

std::string Nginx::url() const { return "ws://" + address_ + ':' + std::to_string(port_) + "/ws"; }

std::string Nginx::errors() const { return read(folder_.path() + "/error.log"); }

void Nginx::reload() { process_->signal(SIGHUP); }

}  // namespace probekit::test
